"""Stage evaluate; tasks/evaluate/stage.py says what it does.

python -m tasks.evaluate
"""

from tasks.runner.stage import run_stage

if __name__ == "__main__":
    run_stage("evaluate", "tasks.evaluate.stage")
