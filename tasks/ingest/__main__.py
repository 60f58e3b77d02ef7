"""Stage ingest; tasks/ingest/stage.py says what it does.

python -m tasks.ingest
"""

from tasks.runner.stage import run_stage

if __name__ == "__main__":
    run_stage("ingest", "tasks.ingest.stage")
