"""Unattended runs on a real server with a real worker: `python -m flows.serve` in a workspace."""

import gzip
import json
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Cancelling

from tests.conftest import PROJECT, environment, read_small_parameters, write_parameters
from tests.faults.rig import Reference, copy_workspace, kill, processes_in, start

STAGES = ["ingest", "validate", "prepare", "train", "evaluate", "report"]
PATIENCE = 240.0


@dataclass
class Service:
    """A workspace that is served."""

    root: Path
    client: SyncPrefectClient
    messages: list[str] = field(default_factory=list)

    @property
    def deployment(self) -> Any:
        return self.client.read_deployment_by_name("pipeline/scheduled")

    def start_run(self) -> UUID:
        return self.client.create_flow_run_from_deployment(self.deployment.id).id

    def finish_run(self, run: UUID) -> FlowRun:
        return self.await_state(
            run, lambda found: found.state is not None and found.state.is_final()
        )

    def await_state(self, run: UUID, reached: Callable[[FlowRun], bool]) -> FlowRun:
        await_true(lambda: reached(self.client.read_flow_run(run)), f"the run {run}")
        return self.client.read_flow_run(run)

    def outcomes(self, run: UUID) -> dict[str, str]:
        """What the states of the tasks are called."""
        runs = self.client.read_task_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run]))
        )
        return {task.name: str(task.state_name) for task in runs}

    def artifacts(self, run: UUID) -> dict[str, Any]:
        filter_ = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
        found = self.client.read_artifacts(artifact_filter=filter_)
        return {artifact.key or str(artifact.type): artifact for artifact in found}


def await_true(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} took longer than {PATIENCE:.0f} s"
        time.sleep(0.2)


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def messages() -> Iterator[tuple[str, list[str]]]:
    """The address of a web server, and what it was sent."""
    received: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(json.loads(content)["text"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hook", received
        server.shutdown()


@pytest.fixture(scope="module")
def parameters(messages: tuple[str, list[str]]) -> dict:
    """Runs every minute, tells of failures."""
    found = read_small_parameters()
    found["flow"] |= {"cron": "* * * * *", "webhook": messages[0]}
    found["data"] |= {"train_images": None}
    return found


@pytest.fixture(scope="module")
def service(
    reference: Reference,
    tmp_path_factory: pytest.TempPathFactory,
    messages: tuple[str, list[str]],
    parameters: dict,
) -> Iterator[Service]:
    root = copy_workspace(reference.root, tmp_path_factory.mktemp("serve") / "workspace")
    shutil.copy(PROJECT / "prefect.yaml", root)
    write_parameters(root, parameters)
    # Everything stands but for the parameters of `data`.
    subprocess.run(["dvc", "repro"], cwd=root, env=environment(), check=True, capture_output=True)
    with serving(root, free_port()) as client:
        yield Service(root, client, messages[1])


@contextmanager
def serving(root: Path, port: int) -> Iterator[SyncPrefectClient]:
    """Serves a workspace, and ends what it started."""
    with start("flows.serve", root=root, PREFECT_SERVER_API_PORT=str(port)) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="")
            if line.startswith("serving: "):
                break
        else:
            pytest.fail("flows.serve has ended")
        # Somebody has to read on, or the processes block.
        threading.Thread(target=pass_on, args=[process.stdout], daemon=True).start()
        with SyncPrefectClient(f"http://127.0.0.1:{port}/api") as client:
            yield client
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 128 + signal.SIGTERM
        await_true(lambda: processes_in(root) == {}, "the end of the processes")


def pass_on(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, end="")


@pytest.fixture(scope="module")
def scheduled_run(service: Service) -> FlowRun:
    """The first run that the schedule starts; no other follows it."""

    def completed() -> list[FlowRun]:
        runs = service.client.read_flow_runs(sort=FlowRunSort.EXPECTED_START_TIME_ASC)
        return [run for run in runs if run.state is not None and run.state.is_final()]

    await_true(lambda: bool(completed()), "the first scheduled run")
    deployment = service.deployment
    for schedule in deployment.schedules:
        service.client.update_deployment_schedule(deployment.id, schedule.id, active=False)
    for run in service.client.read_flow_runs():
        if run.state is not None and run.state.is_scheduled():
            service.client.delete_flow_run(run.id)
    return completed()[0]


def test_a_scheduled_run_does_nothing_when_nothing_changed(
    service: Service, scheduled_run: FlowRun
) -> None:
    assert scheduled_run.auto_scheduled
    assert scheduled_run.state_name == "Completed"
    assert service.outcomes(scheduled_run.id) == dict.fromkeys(STAGES, "Unchanged")


def test_new_images_in_the_source_folder_make_the_next_run_work(
    service: Service, scheduled_run: FlowRun
) -> None:
    remove_training_image(service.root)
    run = service.finish_run(service.start_run())
    assert run.state_name == "Completed"
    assert service.outcomes(run.id) == dict.fromkeys(STAGES, "Ran")
    artifacts = service.artifacts(run.id)
    assert "| train | ran |" in artifacts["pipeline-summary"].data
    assert "ccuracy" in artifacts["pipeline-summary"].data
    assert artifacts["progress"].data == 100
    assert (service.root / "reports" / "report.html").as_uri() in artifacts["pipeline-report"].data


def test_a_second_run_and_a_person_are_turned_away_while_one_is_at_work(
    service: Service, scheduled_run: FlowRun
) -> None:
    run = start_training(service)
    second = service.finish_run(service.start_run())
    assert second.state_name == "Cancelled"
    by_hand = subprocess.run(
        ["dvc", "repro"],
        cwd=service.root,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert by_hand.returncode != 0
    assert "the Prefect flow pipeline" in by_hand.stderr or "blocked by" in by_hand.stderr
    cancel(service, run)


def test_cancelling_ends_every_process_of_the_run(service: Service, scheduled_run: FlowRun) -> None:
    run = start_training(service)
    assert any("tasks.train" in command for command in processes_in(service.root).values())
    cancel(service, run)
    await_true(lambda: not work_in(service.root), "the end of the processes")


def test_a_killed_run_is_told_of_and_the_next_one_completes_the_work(
    service: Service, scheduled_run: FlowRun, reference: Reference
) -> None:
    run = start_training(service)
    told = len(service.messages)
    for process, command in processes_in(service.root).items():
        if "prefect.flow_engine" in command or "prefect.engine" in command:
            kill(process, signal.SIGKILL)
    assert service.finish_run(run).state_name == "Crashed"
    await_true(lambda: not work_in(service.root), "the end of the processes")
    await_true(lambda: len(service.messages) > told, "the message")
    assert "Crashed" in service.messages[-1]

    completed = service.finish_run(service.start_run())
    assert completed.state_name == "Completed"
    lock = (service.root / "dvc.lock").read_bytes()
    command = ["dvc", "repro", "--force", "--no-run-cache"]
    subprocess.run(command, cwd=service.root, env=environment(), check=True, capture_output=True)
    assert (service.root / "dvc.lock").read_bytes() == lock


def test_a_failure_is_told_with_its_stage_its_cause_and_what_happens_next(
    service: Service, scheduled_run: FlowRun, parameters: dict
) -> None:
    told = len(service.messages)
    parameters["validate"]["min_spread"] = 200.0
    write_parameters(service.root, parameters)
    assert service.finish_run(service.start_run()).state_name == "Failed"
    await_true(lambda: len(service.messages) > told, "the message")
    message = service.messages[-1]
    assert "The stage validate has failed" in message
    assert "no blank or constant image" in message
    assert "the next run goes on from there" in message


@pytest.mark.long
def test_a_run_that_died_with_its_machine_does_not_stay_running(
    reference: Reference, tmp_path: Path, parameters: dict
) -> None:
    """Server, worker and run are killed at once; the next `flows.serve` ends the run's record."""
    root = copy_workspace(reference.root, tmp_path / "workspace")
    shutil.copy(PROJECT / "prefect.yaml", root)
    parameters["flow"] |= {"cron": "0 0 1 1 *", "webhook": None}
    write_parameters(root, parameters)
    port = free_port()
    with serving(root, port) as client:
        service = Service(root, client)
        run = start_training(service)
        # It has told that it lives, or its silence means nothing.
        await_true(lambda: heartbeats_of(client, run) > 0, "a heartbeat")
        for process in processes_in(root):
            kill(process, signal.SIGKILL)
        await_true(lambda: processes_in(root) == {}, "the end of the processes")
    with serving(root, port) as client:
        service = Service(root, client)
        assert service.finish_run(run).state_name == "Crashed"
        assert service.finish_run(service.start_run()).state_name == "Completed"


def heartbeats_of(client: SyncPrefectClient, run: UUID) -> int:
    answer = client.request(
        "POST",
        "/events/filter",
        json={
            "filter": {
                "event": {"name": ["prefect.flow-run.heartbeat"]},
                "resource": {"id": [f"prefect.flow-run.{run}"]},
            }
        },
    )
    return answer.json()["total"]


def start_training(service: Service) -> UUID:
    """A run that is in the middle of training."""
    for name in ("dvc.lock", "models", "reports/history.csv"):
        path = service.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    shutil.rmtree(service.root / ".dvc" / "cache" / "runs", ignore_errors=True)
    run = service.start_run()
    await_true(
        lambda: any("tasks.train" in command for command in processes_in(service.root).values()),
        "the beginning of training",
    )
    return run


def cancel(service: Service, run: UUID) -> None:
    service.client.set_flow_run_state(run, Cancelling())
    assert service.finish_run(run).state_name == "Cancelled"


def work_in(root: Path) -> list[str]:
    """The processes of a run: the flow's, DVC's, the stages'."""
    names = ("prefect.flow_engine", "prefect.engine", "dvc_process", "tasks.")
    return [
        command for command in processes_in(root).values() if any(name in command for name in names)
    ]


def remove_training_image(root: Path) -> None:
    """Writes the training files of the source folder anew, one image shorter."""
    for name, size in (("images-idx3", 784), ("labels-idx1", 1)):
        path = root / "data" / "source" / f"train-{name}-ubyte.gz"
        content = gzip.decompress(path.read_bytes())
        count = int.from_bytes(content[4:8], "big") - 1
        shorter = content[:4] + count.to_bytes(4, "big") + content[8:-size]
        path.write_bytes(gzip.compress(shorter))
