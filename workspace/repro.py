"""Everything, once: check, heal, each stage that has to run, verify, status.

pipeline repro
"""

from functools import partial
from pathlib import Path

from tasks.core import paths
from tasks.models.store import read_record
from tasks.runner.lock import hold_run
from workspace import status
from workspace.archive import keeping
from workspace.check import check
from workspace.elsewhere import update
from workspace.graph import read_stages
from workspace.heal import heal
from workspace.verify import verify


def main() -> int:
    """Runs what has to run, and says where the report is."""
    root, on_line = Path.cwd(), partial(print, flush=True)
    flow = check()["flow"]
    with (
        hold_run("pipeline repro") as token,
        keeping(root, keep_runs=flow.keep_runs, keep_days=flow.keep_days) as log,
    ):
        heal(root, on_line)
        for stage in read_stages(root):
            log.reasons[stage.name] = stage.reasons
            if stage.reasons or any(log.outcomes[name] != "unchanged" for name in stage.upstream):
                log.outcomes[stage.name] = update(
                    stage.name,
                    root=root,
                    token=token,
                    on_line=on_line,
                    elsewhere=flow.elsewhere,
                )
            else:
                log.outcomes[stage.name] = "unchanged"
        log.has_results = True
    verify(root)
    outcome = status.main()
    if read_record().current is None and paths.CANDIDATE.is_dir():
        print("There is no champion yet. Have this model judged: pipeline gate")
    return outcome
