"""A workspace that is served as `pipeline serve` does, and what one looks at there."""

import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
)
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelling

from tests.conftest import PROJECT, write_parameters
from tests.faults.rig import copy_workspace, processes_in, read_on, start

PATIENCE = 600.0  # seconds; a machine may be busy with other things


@dataclass
class Service:
    """A workspace that is served.

    Attributes:
        root: its folder.
        client: of its server.
        messages: what its webhook was sent.

    """

    root: Path
    client: SyncPrefectClient
    messages: list[str] = field(default_factory=list)

    def page(self, path: str) -> str:
        """The address of a page of Prefect's interface."""
        return str(self.client.api_url).removesuffix("/").removesuffix("/api") + f"/{path}"

    @property
    def deployment(self) -> Any:
        return self.client.read_deployment_by_name("pipeline/scheduled")

    def set_schedule(self, *, active: bool) -> None:
        """Sets the schedule going, or stops it and waits until no run of it is left."""
        deployment = self.deployment
        for schedule in deployment.schedules:
            self.client.update_deployment_schedule(deployment.id, schedule.id, active=active)
        if not active:
            for run in self.client.read_flow_runs():
                # Not one that delivers a message, which nobody has scheduled, but which waits, too.
                is_waiting = run.state is not None and run.state.is_scheduled()
                if run.auto_scheduled and is_waiting:
                    self.client.delete_flow_run(run.id)
            await_true(lambda: all(map(is_over, self.client.read_flow_runs())), "the last run")

    def await_scheduled_run(self) -> FlowRun:
        """A run that wasn't over yet, that nobody asked for, and that comes to its end.

        On a slow machine, others are due while it is at work; they are turned away.
        """

        def finished() -> dict[UUID, FlowRun]:
            runs = self.client.read_flow_runs()
            return {
                run.id: run
                for run in runs
                if run.auto_scheduled and is_over(run) and run.state_name != "Cancelled"
            }

        known = finished().keys()
        await_true(lambda: bool(finished().keys() - known), "the scheduled run")
        return next(run for identifier, run in finished().items() if identifier not in known)

    def start_run(self) -> UUID:
        return self.client.create_flow_run_from_deployment(self.deployment.id).id

    def finish_run(self, run: UUID) -> FlowRun:
        await_true(lambda: is_over(self.client.read_flow_run(run)), f"the run {run}")
        return self.client.read_flow_run(run)

    def cancel(self, run: UUID) -> FlowRun:
        """Does what `prefect flow-run cancel` and the button in the interface do."""
        self.client.set_flow_run_state(run, Cancelling())
        return self.finish_run(run)

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

    def start_training(self, parameters: dict) -> UUID:
        """A run that trains until it is ended.

        Args:
            parameters: params.yaml as it is to be afterwards.

        """
        endless = parameters | {"train": parameters["train"] | {"epochs": 1_000_000}}
        write_parameters(self.root, endless)
        run = self.start_run()
        await_true(
            lambda: "progress" in self.artifacts(run) or is_over(self.client.read_flow_run(run)),
            "the first epoch",
        )
        assert any("tasks.train" in command for command in processes_in(self.root).values())
        write_parameters(self.root, parameters)
        return run

    def await_message(self, pattern: str) -> str:
        """The first message that a regular expression is found in.

        Each is delivered by a run of its own, so that one may arrive after what happened later.
        """

        def found() -> str | None:
            return next((text for text in self.messages if re.search(pattern, text)), None)

        await_true(lambda: found() is not None, f"the message like {pattern!r}")
        return str(found())

    def await_no_work(self) -> None:
        """Waits until no process of a run is left: neither the flow's, DVC's, nor a stage's."""
        names = ("prefect.flow_engine", "prefect.engine", "dvc_process", "tasks.")
        await_true(
            lambda: (
                not any(
                    name in command
                    for command in processes_in(self.root).values()
                    for name in names
                )
            ),
            "the end of the processes",
        )


def is_over(run: FlowRun) -> bool:
    return run.state is not None and run.state.is_final()


def await_true(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} took longer than {PATIENCE:.0f} s"
        time.sleep(0.2)


def prepare_service(source: Path, root: Path, parameters: dict) -> Path:
    """A workspace like another one, with the deployment."""
    copy_workspace(source, root)
    shutil.copy(PROJECT / "prefect.yaml", root)
    write_parameters(root, parameters)
    return root


@contextmanager
def serving(root: Path, port: int, **more: str) -> Iterator[SyncPrefectClient]:
    """Serves a workspace, and ends what it started."""
    variables = more | {
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_WORKER_QUERY_SECONDS": "2",  # of 10, in which nothing but waiting happens
    }
    with start("flows.serve", root=root, **variables) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("serving: "):
                break
        else:
            raise AssertionError("flows.serve has ended:\n" + "".join(lines))
        read_on(process.stdout)
        with SyncPrefectClient(f"http://127.0.0.1:{port}/api") as client:
            yield client
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 128 + signal.SIGTERM
        await_true(lambda: processes_in(root) == {}, "the end of the processes")
