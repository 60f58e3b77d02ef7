"""python -m tasks.report; tasks/report/stage.py says what it does."""

from tasks.runner.stage import run_stage

if __name__ == "__main__":
    run_stage("report", "tasks.report.stage")
