"""Everything, once: check, heal, `dvc repro`, verify, status.

pipeline repro
"""

import subprocess
import sys
from pathlib import Path

from tasks.core import paths
from tasks.models.store import read_record
from tasks.runner.declared import read_declared
from tasks.runner.errors import InputError
from tasks.runner.lock import hold_run
from workspace import status
from workspace.archive import Log, keeping, read_locked
from workspace.check import check
from workspace.graph import Stage, read_stages
from workspace.heal import heal
from workspace.verify import verify


def main() -> int:
    """Runs what has to run, and says where the report is."""
    root = Path.cwd()
    parameters = check()
    with hold_run("pipeline repro"):
        heal(root)
    stages = read_stages(root)
    if any(stage.reasons for stage in stages):
        flow = parameters["flow"]
        with keeping(root, keep_runs=flow.keep_runs, keep_days=flow.keep_days) as log:
            _reproduce(root, stages, log)
    verify(root)
    outcome = status.main()
    if read_record().current is None and paths.CANDIDATE.is_dir():
        print("There is no champion yet. Have this model judged: pipeline gate")
    return outcome


def _reproduce(root: Path, stages: list[Stage], log: Log) -> None:
    """Has DVC do it, and notes which stages have another record afterwards."""
    before = read_locked(root)
    log.reasons.update({stage.name: stage.reasons for stage in stages})
    try:
        targets = [stage.name for stage in stages if stage.reasons or not _is_lost(stage.name)]
        alone = ["--single-item", *targets] if len(targets) < len(stages) else []
        # A process of its own: DVC prints as it does for a person, and what it imports is gone.
        command = [sys.executable, "-m", "workspace.dvc_process", "repro", *alone]
        if subprocess.run(command, check=False).returncode:
            raise InputError("dvc repro has failed; what was done before it is kept.")
    finally:
        after = read_locked(root)
        for stage in stages:
            same = before.get(stage.name) == after.get(stage.name)
            log.outcomes[stage.name] = "unchanged" if same else "changed"


def _is_lost(stage: str) -> bool:
    """Whether an input of a stage is gone: in a clone with pulled outputs, it needn't run."""
    return not all(path.exists() for path in read_declared()[stage].inputs)
