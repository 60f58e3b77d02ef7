"""The runs that Prefect believes to be going on, and whether they are."""

from collections.abc import Iterator
from pathlib import Path

import psutil
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from tasks.runner.errors import InputError

_DEPLOYMENT = "pipeline/scheduled"
_GOING_ON = ("RUNNING", "PENDING", "CANCELLING")


def require_own(client: SyncPrefectClient, root: Path) -> None:
    """Refuses a server whose deployment works in another workspace, which would lose it.

    Raises:
        InputError: with what to do.

    """
    try:
        deployment = client.read_deployment_by_name(_DEPLOYMENT)
    except ObjectNotFound:
        return
    owner = Path(str(deployment.job_variables.get("working_dir", root)))
    if owner != root and (owner / "dvc.yaml").exists():
        raise InputError(
            f"This Prefect database already serves {owner}; its schedule and runs would go to"
            f" {root}. Give this workspace a database of its own (PREFECT_HOME, or"
            " PREFECT_SERVER_DATABASE_CONNECTION_URL), or remove the other deployment: prefect"
            f" deployment delete {_DEPLOYMENT}"
        )


def end_dead(client: SyncPrefectClient) -> Iterator[str]:
    """Marks the runs whose process is gone as crashed, so that they hold no place.

    A run that is merely silent, on a machine that was suspended, goes on.

    Yields:
        One line per run.

    """
    going_on = FlowRunFilter.model_validate({"state": {"type": {"any_": list(_GOING_ON)}}})
    for run in client.read_flow_runs(flow_run_filter=going_on):
        if run.deployment_id is not None and not _lives(run):
            message = "Its process is gone. The next run completes the work."
            client.set_flow_run_state(run.id, Crashed(message=message), force=True)
            yield f"the run {run.name} is marked as crashed: its process is gone"


def _lives(run: FlowRun) -> bool:
    """Whether the process that a worker of this machine started for a run is still this run's."""
    if run.infrastructure_pid is None:
        return False
    try:
        environment = psutil.Process(int(run.infrastructure_pid)).environ()
    except (psutil.Error, ValueError):
        return False
    return environment.get("PREFECT__FLOW_RUN_ID") == str(run.id)
