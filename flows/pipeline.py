"""The pipeline as a Prefect flow: one task per stage of dvc.yaml, in DVC's order."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect import Task, flow, get_run_logger
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Completed

from flows.artifacts import find_report, follow_progress, show_summary
from flows.parameters import FlowParameters, name_scheduler
from flows.verdict import gate
from tasks.runner.errors import NetworkError
from tasks.runner.lock import hold_run
from workspace.archive import keeping, recorded_parameters
from workspace.check import check
from workspace.elsewhere import update
from workspace.graph import Outcome, StageFailedError, read_stages
from workspace.heal import heal
from workspace.publish import publish, require_publishable
from workspace.sync import require_place, sync_archive
from workspace.verify import is_due, require_recorded_bytes, require_sound_lists


@flow(name="pipeline")
def pipeline() -> dict[str, Outcome]:
    """Brings every stage up to date.

    Returns:
        For each stage, in order: ran, restored (from DVC's cache) or unchanged.

    """
    root = Path.cwd()
    parameters = check()
    wanted: FlowParameters = parameters["flow"]
    targets = {"push_to": wanted.push_to, "commit_to": wanted.commit_to}
    seconds: dict[str, float] = {}
    require_publishable(root, **targets)
    name_scheduler(wanted.scheduler)
    with (
        _syncing(wanted),
        hold_run("the Prefect flow pipeline") as token,
        keeping(root, keep_runs=wanted.keep_runs, keep_days=wanted.keep_days) as log,
    ):
        heal(root, get_run_logger().warning)
        require_sound_lists(root)
        outcomes = log.outcomes
        for stage in read_stages(root):
            started = time.monotonic()
            log.reasons[stage.name] = stage.reasons
            may_have_changed = any(outcomes[name] != "unchanged" for name in stage.upstream)
            task = make_task(_update, stage.name, "stage", wanted)
            state = task(
                stage.name,
                token=token,
                elsewhere=wanted.elsewhere,
                skip=not (stage.reasons or may_have_changed),
                return_state=True,
            )
            outcomes[stage.name] = state.result()
            seconds[stage.name] = time.monotonic() - started
        log.has_results = True
        changed = {name for name, outcome in outcomes.items() if outcome != "unchanged"}
        due = is_due(root, hours=wanted.verify_hours)
        require_recorded_bytes(root, None if due else changed)
        report = find_report(log.name if changed else None, wanted.archive_url)
        verdict = gate(parameters["gate"], report, return_state=True).result()
        show_summary(outcomes, seconds, verdict, report=report)
        if any(targets.values()):
            recorded = recorded_parameters(root, log)
            make_task(_publish, "publish", "publish", wanted)(targets, recorded)
    return outcomes


@contextmanager
def _syncing(wanted: FlowParameters) -> Iterator[None]:
    """Copies the archive when the run has left its folder there, also the folder of a failure."""
    if wanted.sync_to is None:
        yield
        return
    require_place(wanted.sync_to)
    sync = make_task(_sync, "sync", "publish", wanted)
    try:
        yield
    except Exception:
        sync(wanted.sync_to, return_state=True)  # the run's own error is the one to tell
        raise
    sync(wanted.sync_to)


def make_task(
    function: Callable[..., Any], name: str, tag: str, parameters: FlowParameters
) -> Task[..., Any]:
    """A task that is tried again only where that may help."""
    return Task(
        function,
        name=name,
        task_run_name=name,
        tags={tag},
        retries=parameters.retries,
        retry_delay_seconds=parameters.retry_delay,
        retry_condition_fn=_may_pass,
    )


def _sync(address: str) -> None:
    sync_archive(address, on_line=get_run_logger().info)


def _publish(targets: dict[str, str | None], parameters: bytes) -> None:
    publish(Path.cwd(), **targets, parameters=parameters, on_line=get_run_logger().info)


def _update(
    name: str, *, token: str, elsewhere: Mapping[str, Mapping[str, float]], skip: bool
) -> State[Outcome]:
    """Asks DVC for one stage; the state's name says what happened."""
    outcome: Outcome = "unchanged"
    if not skip:
        on_line = follow_progress(get_run_logger().info)
        outcome = update(name, root=Path.cwd(), token=token, on_line=on_line, elsewhere=elsewhere)
    return Completed(name=outcome.capitalize(), message=f"{name}: {outcome}", data=outcome)


def _may_pass(task: Task[..., Any], run: TaskRun, state: State) -> bool:
    """Retries only what may pass at a second try, never a deterministic failure."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, NetworkError) or (
        isinstance(error, StageFailedError) and error.may_pass
    )
