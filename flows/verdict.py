"""The gate as a task of the flow: its verdict in Prefect's log, state, artifact and events."""

from typing import Any

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.events import emit_event
from prefect.states import Completed

from flows.automations import EVENTS
from tasks.models.decide import VERDICT_TEXT, run_gate
from tasks.models.gate import describe, to_markdown
from tasks.models.parameters import GateParameters


@task(task_run_name="gate")
def gate(limits: GateParameters, report: str) -> Any:
    """Judges the candidate, promotes it or lets it wait; gives a state that the verdict names.

    Args:
        report: the address of the run's report, for the message.

    """
    told = VERDICT_TEXT.read_text(encoding="utf-8") if VERDICT_TEXT.is_file() else ""
    verdict = run_gate(limits)
    page, message = to_markdown(verdict), f"{verdict.version} {describe(verdict)}"
    log = get_run_logger()
    (log.warning if verdict.decision == "rejected" else log.info)(message)
    create_markdown_artifact(
        page, key="gate-verdict", description="Whether the candidate was promoted"
    )
    # A scheduled run that changed nothing judges the same candidate again: that is no news.
    if verdict.decision in EVENTS and page != told:
        emit_event(
            EVENTS[verdict.decision],
            resource={"prefect.resource.id": f"pipeline.champion.{verdict.version}"},
            payload={"message": f"{message}. Report: {report}"},
        )
    return Completed(name=verdict.decision.capitalize(), message=message, data=verdict)
