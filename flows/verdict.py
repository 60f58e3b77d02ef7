"""The gate as a task of the flow: its verdict in Prefect's log, state, artifact and events."""

from typing import Any

from prefect import Task, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.states import Completed

from flows.automations import NEW_CHAMPION, REJECTED
from tasks.models.decide import VERDICT_TEXT, run_gate
from tasks.models.gate import Verdict, describe, to_markdown
from tasks.models.parameters import GateParameters


def _judge(limits: GateParameters) -> State[Verdict]:
    """Judges and promotes; the state's name is the verdict."""
    told = VERDICT_TEXT.read_text(encoding="utf-8") if VERDICT_TEXT.is_file() else ""
    verdict = run_gate(limits)
    message = f"{verdict.version} {describe(verdict)}"
    log = get_run_logger()
    (log.warning if verdict.decision == "rejected" else log.info)(message)
    create_markdown_artifact(
        to_markdown(verdict), key="gate-verdict", description="Whether the candidate was promoted"
    )
    # A scheduled run that changed nothing judges the same candidate again: that is no news.
    is_news = verdict.decision == "accepted" or (
        verdict.decision == "rejected" and to_markdown(verdict) != told
    )
    if is_news:
        emit_event(
            NEW_CHAMPION if verdict.decision == "accepted" else REJECTED,
            resource={"prefect.resource.id": f"pipeline.champion.{verdict.version}"},
            payload={"message": message},
        )
    return Completed(name=verdict.decision.capitalize(), message=message, data=verdict)


gate: Task[[GateParameters], Any] = Task(
    _judge, name="gate", task_run_name="gate", cache_policy=NO_CACHE, persist_result=False
)
