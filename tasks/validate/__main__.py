"""Stage validate; tasks/validate/stage.py says what it does.

python -m tasks.validate
"""

from tasks.runner.stage import run_stage
from tasks.validate.stage import main

if __name__ == "__main__":
    run_stage("validate", main)
