"""Stage report; tasks/report/stage.py says what it does.

python -m tasks.report
"""

from tasks.runner.stage import run_stage

if __name__ == "__main__":
    run_stage("report", "tasks.report.stage")
