"""The pipeline as a Prefect flow: one task per stage of dvc.yaml, in DVC's order.

    pipeline run

needs no server: Prefect starts a temporary one.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefect import Task, flow, get_run_logger
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Completed

from flows.artifacts import follow_progress, show_summary
from flows.parameters import FlowParameters
from flows.prefect_process import require_server
from flows.verdict import gate
from tasks.runner.errors import NetworkError
from tasks.runner.lock import hold_run
from workspace.archive import keeping
from workspace.check import check
from workspace.graph import Outcome, StageFailedError, bring_up_to_date, read_stages
from workspace.heal import remove_broken_leftovers, require_readable_lock
from workspace.publish import publish, require_publishable
from workspace.repository import find_places
from workspace.verify import require_recorded_bytes, require_sound_lists


@flow(name="pipeline", retries=0, persist_result=False)
def pipeline() -> dict[str, Outcome]:
    """Brings every stage up to date.

    Returns:
        For each stage, in order: ran, restored (from DVC's cache) or unchanged.

    """
    root = Path.cwd()
    parameters = check()
    flow_parameters: FlowParameters = parameters["flow"]
    targets = {"push_to": flow_parameters.push_to, "commit_to": flow_parameters.commit_to}
    outcomes: dict[str, Outcome] = {}
    seconds: dict[str, float] = {}
    require_publishable(root, **targets)
    with (
        hold_run("the Prefect flow pipeline") as token,
        keeping(
            root, keep_runs=flow_parameters.keep_runs, keep_days=flow_parameters.keep_days
        ) as log,
    ):
        for path in remove_broken_leftovers(root):
            get_run_logger().warning("removed %s, which a killed run had left", path)
        require_readable_lock(root)
        objects = find_places(root).objects
        require_sound_lists(root, objects)
        for stage in read_stages(root):
            started = time.monotonic()
            log.reasons[stage.name] = stage.reasons
            may_have_changed = any(outcomes[name] != "unchanged" for name in stage.upstream)
            update = stage_task(stage.name, flow_parameters)
            state = update(
                stage.name,
                token=token,
                skip=not (stage.reasons or may_have_changed),
                return_state=True,
            )
            outcomes[stage.name] = log.outcomes[stage.name] = state.result()
            seconds[stage.name] = time.monotonic() - started
        require_recorded_bytes(root, objects)
        verdict = gate(parameters["gate"], return_state=True).result()
        show_summary(outcomes, seconds, verdict, run=log.name)
        if any(targets.values()):
            publish_task(flow_parameters)(targets)
    return outcomes


def stage_task(name: str, parameters: FlowParameters) -> Task[..., Any]:
    """The Prefect task that stands for a stage, under the stage's name."""
    return _task(_update, name, tag="stage", parameters=parameters)


def publish_task(parameters: FlowParameters) -> Task[..., Any]:
    """The Prefect task that hands the results on."""
    return _task(_publish, "publish", tag="publish", parameters=parameters)


def _task(
    function: Callable[..., Any], name: str, *, tag: str, parameters: FlowParameters
) -> Task[..., Any]:
    return Task(
        function,
        name=name,
        task_run_name=name,
        tags={tag},
        retries=parameters.retries,
        retry_delay_seconds=parameters.retry_delay,
        retry_condition_fn=_may_pass,
        cache_policy=NO_CACHE,
        persist_result=False,
    )


def _publish(targets: dict[str, str | None]) -> None:
    publish(Path.cwd(), **targets, on_line=get_run_logger().info)


def _update(name: str, *, token: str, skip: bool) -> State[Outcome]:
    """Asks DVC for one stage; the state's name says what happened."""
    logger = get_run_logger()
    outcome: Outcome = (
        "unchanged"
        if skip
        else bring_up_to_date(
            name, root=Path.cwd(), token=token, on_line=follow_progress(logger.info)
        )
    )
    return Completed(name=outcome.capitalize(), message=f"{name}: {outcome}", data=outcome)


def _may_pass(task: Task[..., Any], run: TaskRun, state: State) -> bool:
    """Retries only what may pass at a second try, never a deterministic failure."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, NetworkError) or (
        isinstance(error, StageFailedError) and error.may_pass
    )


def main() -> None:
    """Checks the parameters, runs the flow, prints what happened to each stage."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    check()
    require_server()
    outcomes = pipeline()
    print(", ".join(f"{name} {outcome}" for name, outcome in outcomes.items()))
