"""The machine dies in the middle of a scheduled run: server, worker and run end at once."""

import signal
from pathlib import Path

import pytest

from tests.conftest import read_small_parameters
from tests.faults.rig import Reference, kill, processes_in
from tests.flows.service import Service, await_true, prepare_service, serving
from tests.ports import free_port

pytestmark = pytest.mark.faults(
    "server, worker and a scheduled run killed at once, as when the machine dies",
    "after the next start the run is shown as Crashed, and the next run completes the work",
)


@pytest.mark.long
def test_a_run_that_died_with_its_machine_does_not_stay_running(
    reference: Reference, tmp_path: Path
) -> None:
    parameters = read_small_parameters()
    parameters["flow"]["cron"] = "0 0 1 1 *"
    root = prepare_service(reference.root, tmp_path / "workspace", parameters)
    port = free_port()
    with serving(root, port) as client:
        service = Service(root, client)
        run = service.start_training(parameters)
        for process in processes_in(root):
            kill(process, signal.SIGKILL)
        await_true(lambda: processes_in(root) == {}, "the end of the processes")
    with serving(root, port) as client:
        service = Service(root, client)
        assert service.finish_run(run).state_name == "Crashed"
        assert service.finish_run(service.start_run()).state_name == "Completed"
    lock = (reference.root / "dvc.lock").read_bytes()
    assert (root / "dvc.lock").read_bytes() == lock
