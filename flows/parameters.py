"""Section flow: how the Prefect flow runs the stages."""

import os
import re
import zoneinfo
from datetime import UTC, datetime
from typing import Annotated, Literal

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field, StringConstraints

from tasks.core.parameters import Count, NotNegative, Positive, Section, Text
from tasks.runner.parts import SCHEDULER_VARIABLE

# Where the address stands, never the address itself: who has it can post in a channel's name.
_WEBHOOK = re.compile(r"env:[A-Za-z_]\w*|secret:[a-z0-9-]+")
_CRON_PART = re.compile(r"\*|\d+|[A-Za-z]{3}")


def _known_timezone(name: str) -> str:
    if name not in zoneinfo.available_timezones():
        raise ValueError("Allowed are the names of the IANA database, such as Europe/Berlin")
    return name


def _possible_cron(expression: str) -> str:
    try:
        CronSim(expression, datetime.fromtimestamp(0, UTC))
    except CronSimError as error:
        raise ValueError(
            f"{error}. Allowed are five fields: minute, hour, day of the month, month, day of the"
            " week, such as 0 6 * * MON-FRI"
        ) from None
    # Prefect knows less than cron's dialects: no last day, no nearest weekday.
    for part in re.split(r"[\s,/-]", expression):
        if not _CRON_PART.fullmatch(part):
            raise ValueError(
                f"Prefect doesn't know {part}. Allowed are *, numbers and names, with , - /"
            )
    return expression


def _place_of_address(webhook: str) -> str:
    if not _WEBHOOK.fullmatch(webhook):
        raise ValueError("Expected env:VARIABLE or secret:BLOCK, which holds the address")
    return webhook


class FlowParameters(Section):
    """How the Prefect flow runs the stages."""

    retries: Annotated[int, Field(ge=0)]
    retry_delay: Positive
    cron: Annotated[
        str, StringConstraints(pattern=r"^\S+( \S+){4}$"), AfterValidator(_possible_cron)
    ]
    timezone: Annotated[str, AfterValidator(_known_timezone)]
    webhook: Annotated[str, AfterValidator(_place_of_address)] | None
    webhook_format: Literal["text", "discord", "teams"]
    verify_hours: NotNegative
    keep_runs: Count | None
    keep_days: Positive | None
    sync_to: Text | None
    archive_url: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")] | None
    push_to: Text | None
    commit_to: Text | None
    scheduler: Text | None
    elsewhere: dict[Text, Annotated[dict[Text, Positive], Field(min_length=1)]]


def name_scheduler(address: str | None) -> None:
    """Hands `flow.scheduler` to what works in parts; the environment's own comes first."""
    if address is not None:
        os.environ.setdefault(SCHEDULER_VARIABLE, address)
