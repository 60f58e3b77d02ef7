"""The pipeline as a Prefect flow, once.

    pipeline run

needs no server: Prefect starts a temporary one, unless there is nothing to do.
"""

import os
from pathlib import Path

from flows.parameters import FlowParameters
from flows.prefect_process import find_server, require_settings
from tasks.core import paths
from tasks.models.card import version_of
from tasks.models.store import CHAMPIONS, read_record
from workspace.archive import ARCHIVE, is_kept
from workspace.check import check
from workspace.graph import Outcome, read_stages
from workspace.verify import is_due, require_sound_lists


def main() -> None:
    """Checks parameters and settings, runs the flow, prints what happened to each stage."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    flow = check()["flow"]
    require_settings()
    # A server records also that nothing happened; a temporary one would only forget it.
    outcomes = look(Path.cwd(), flow) if find_server() is None else None
    if outcomes is None:
        from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

        from flows.pipeline import pipeline

        # Nobody watches for heartbeats unless they say how often, and their thread ends a run a
        # second late.
        with temporary_settings(set_defaults={PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            outcomes = pipeline()
    print(", ".join(f"{name} {outcome}" for name, outcome in outcomes.items()))


def look(root: Path, flow: FlowParameters) -> dict[str, Outcome] | None:
    """What a run would find that has nothing to do; None if there is something."""
    if flow.push_to or flow.commit_to or flow.sync_to or is_due(root, hours=flow.verify_hours):
        return None
    require_sound_lists(root)
    stages = read_stages(root)
    champion = read_record(root / CHAMPIONS).current
    candidate = version_of(root / paths.CANDIDATE)
    is_old = champion == candidate and not any(stage.reasons for stage in stages)
    if is_old and is_kept(candidate, root / ARCHIVE):
        return {stage.name: "unchanged" for stage in stages}
    return None
