"""The pipeline as a Prefect flow, once.

    pipeline run

needs no server: Prefect starts a temporary one.
"""

import os

from flows.prefect_process import require_server, require_settings
from workspace.check import check


def main() -> None:
    """Checks parameters and settings, runs the flow, prints what happened to each stage."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    check()
    require_settings()
    require_server()
    from flows.pipeline import pipeline

    outcomes = pipeline()
    print(", ".join(f"{name} {outcome}" for name, outcome in outcomes.items()))
