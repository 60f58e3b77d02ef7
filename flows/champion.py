"""A person's decision about the champion, in Prefect's interface: a reason is asked for.

The deployments champion/promote, champion/decline and champion/rollback; `pipeline champion` does
the same in a terminal. A decision about a model that waits doesn't wait for a run that is at work.
"""

import getpass
from typing import Annotated

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.context import FlowRunContext
from pydantic import StringConstraints

from tasks.models.store import read_record
from workspace.champion import change, describe_champion

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


@flow(name="champion")
def promote(reason: Reason, version: str | None) -> None:
    """Makes the model that waits for a decision the champion; if none waits, the candidate.

    Args:
        reason: goes into the record.
        version: of the model that you looked at; None is the one that waits, or the candidate.

    """
    _show(change("promote", reason, by=find_person(), version=version))


@flow(name="champion")
def decline(reason: Reason, version: str | None) -> None:
    """Lets the model that waits for a decision do so no longer; no gate accepts it again.

    Args:
        reason: goes into the record.
        version: of the model that you looked at; None is the one that waits.

    """
    _show(change("decline", reason, by=find_person(), version=version))


@flow(name="champion")
def rollback(reason: Reason, version: str | None) -> None:
    """Makes an earlier version the champion again, and withdraws the present one.

    Args:
        reason: goes into the record.
        version: to go back to; None is the one before.

    """
    _show(change("rollback", reason, by=find_person(), version=version))


def find_person() -> str:
    """Who asked for this run: as Prefect knows them, else the user whose service it is."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return getpass.getuser()
    creator = context.flow_run.created_by
    name = creator.display_value if creator else None
    return f"{name or getpass.getuser()}, in Prefect's run {context.flow_run.name}"


def _show(decided: str) -> None:
    """What was decided, in the log and as an artifact."""
    get_run_logger().info(decided)
    history = "\n".join(f"- {line}" for line in describe_champion(read_record()))
    create_markdown_artifact(
        f"{decided}\n\n{history}\n", key="champion", description="The champion and its history"
    )
