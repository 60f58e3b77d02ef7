"""The gate as a task of the flow: its verdict in Prefect's log, state, artifact and events."""

from typing import Any

from prefect import Task, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.states import Completed

from flows.automations import NEW_CHAMPION
from flows.gate import run_gate
from tasks.gate import Verdict, describe, to_markdown
from tasks.parameters import GateParameters


def _judge(limits: GateParameters) -> State[Verdict]:
    """Judges and promotes; the state's name is the verdict."""
    verdict = run_gate(limits)
    message = f"{verdict.version} {describe(verdict)}"
    log = get_run_logger()
    (log.warning if verdict.decision == "rejected" else log.info)(message)
    create_markdown_artifact(
        to_markdown(verdict), key="gate-verdict", description="Whether the candidate was promoted"
    )
    if verdict.decision == "accepted":
        emit_event(
            NEW_CHAMPION,
            resource={"prefect.resource.id": f"pipeline.champion.{verdict.version}"},
            payload={"message": message},
        )
    return Completed(name=verdict.decision.capitalize(), message=message, data=verdict)


gate: Task[[GateParameters], Any] = Task(
    _judge, name="gate", task_run_name="gate", cache_policy=NO_CACHE, persist_result=False
)
