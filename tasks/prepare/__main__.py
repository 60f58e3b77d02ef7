"""python -m tasks.prepare; tasks/prepare/stage.py says what it does."""

from tasks.runner.stage import run_stage

if __name__ == "__main__":
    run_stage("prepare", "tasks.prepare.stage")
