"""python -m tasks.validate; tasks/validate/stage.py says what it does."""

from tasks.runner.stage import run_stage

if __name__ == "__main__":
    run_stage("validate", "tasks.validate.stage")
