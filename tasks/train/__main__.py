"""python -m tasks.train; tasks/train/stage.py says what it does."""

from tasks.runner.stage import run_stage

if __name__ == "__main__":
    run_stage("train", "tasks.train.stage")
