"""python -m tasks.evaluate; tasks/evaluate/stage.py says what it does."""

from tasks.runner.stage import run_stage

if __name__ == "__main__":
    run_stage("evaluate", "tasks.evaluate.stage")
