"""Interruptions that aren't deaths: a machine that was suspended, a service that is stopped."""

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import read_small_parameters
from tests.faults.rig import Reference, kill, processes_in
from tests.flows.service import Service, prepare_service, serving
from tests.ports import free_port

pytestmark = pytest.mark.faults(
    "worker and run, or all processes, suspended for two minutes; the service stopped, each in the"
    " middle of a training",
    "a suspended run goes on, and no other starts beside it; a stop ends every process within 20"
    " seconds, the run is shown as Crashed, and the next run completes the work",
)
SUSPENDED_SECONDS = 120


@pytest.fixture(scope="module")
def parameters() -> dict:
    found = read_small_parameters()
    found["flow"]["cron"] = "0 0 1 1 *"
    return found


@pytest.fixture
def root(reference: Reference, tmp_path: Path, parameters: dict) -> Path:
    return prepare_service(reference.root, tmp_path / "workspace", parameters)


@pytest.fixture
def service(root: Path) -> Iterator[Service]:
    with serving(root, free_port()) as client:
        yield Service(root, client)


def of_worker_and_run(command: str) -> bool:
    return "server" not in command and "workspace.web" not in command


@pytest.mark.long
@pytest.mark.parametrize("everything", [False, True])
def test_a_suspended_machine_goes_on_where_it_was(
    service: Service, parameters: dict, *, everything: bool
) -> None:
    """Worker and run are stopped, or the server, too; then all of them go on."""
    training = service.start_training(parameters)
    stopped = [
        process
        for process, command in processes_in(service.root).items()
        if everything or (of_worker_and_run(command) and "flows.serve" not in command)
    ]
    for process in stopped:
        kill(process, signal.SIGSTOP)
    time.sleep(SUSPENDED_SECONDS)
    for process in stopped:
        kill(process, signal.SIGCONT)
    time.sleep(SUSPENDED_SECONDS / 2)  # whoever looks for dead runs has looked
    assert service.client.read_flow_run(training).state_name == "Running"
    assert service.finish_run(service.start_run()).state_name == "Cancelled"
    assert service.cancel(training).state_name == "Cancelled"
    service.await_no_work()
    assert service.finish_run(service.start_run()).state_name == "Completed"


@pytest.mark.long
def test_a_stop_in_the_middle_of_a_training_ends_everything_within_seconds(
    root: Path, parameters: dict, capfd: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    with serving(root, port) as client:
        training = Service(root, client).start_training(parameters)
        name = client.read_flow_run(training).name
        stopped = time.monotonic()
    seconds = time.monotonic() - stopped
    # By the run itself, or, where it had no time to, by the service.
    told = rf"Flow run '{name}' - Finished in state Crashed|the run {name} is marked as crashed"
    assert re.search(told, capfd.readouterr().out)
    print(f"stopped within {seconds:.1f} s")
    assert seconds < 20
    with serving(root, port) as client:
        service = Service(root, client)
        assert client.read_flow_run(training).state_name == "Crashed"
        assert service.finish_run(service.start_run()).state_name == "Completed"
