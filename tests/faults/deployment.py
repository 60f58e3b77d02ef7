"""The deployment of prefect.yaml on a server that is there, run by a worker that takes one run."""

from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import TERMINAL_STATES
from prefect.states import Crashed

from tests.faults.rig import run

POOL = "faults"
# What starts a worker that carries out one run and then ends, as `flows.serve` starts its own.
WORKER = (
    *("flows.prefect_process", "worker", "start", "--pool", POOL, "--type", "process"),
    *("--run-once", "--limit", "1"),
)


def deploy(root: Path, api: str) -> None:
    """Puts the workspace's deployment on the server, as `flows.serve` does."""
    variables = {
        "PREFECT_API_URL": api,
        "PIPELINE_ROOT": str(root),
        "PIPELINE_POOL": POOL,
        "PIPELINE_CRON": "0 0 1 1 *",
        "PIPELINE_TIMEZONE": "UTC",
    }
    pool = ("work-pool", "create", POOL, "--type", "process", "--overwrite")
    for command in (pool, ("deploy", "--all", "--no-prompt")):
        run("flows.prefect_process", *command, root=root, check=True, **variables)


def withdraw(api: str) -> None:
    """Takes back what `deploy` put on a server that other tests use after this one."""
    with SyncPrefectClient(api) as client:
        for deployment in client.read_deployments():
            client.delete_deployment(deployment.id)


def ask_for_run(api: str) -> None:
    """What the schedule does, or a person; a worker does the rest."""
    with SyncPrefectClient(api) as client:
        deployment = client.read_deployment_by_name("pipeline/scheduled")
        client.create_flow_run_from_deployment(deployment.id)


def end_dead_runs(api: str) -> None:
    """What somebody does who sees that a run's process is gone."""
    unfinished = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(not_any_=list(TERMINAL_STATES)))
    )
    with SyncPrefectClient(api) as client:
        for found in client.read_flow_runs(flow_run_filter=unfinished):
            client.set_flow_run_state(found.id, Crashed())
