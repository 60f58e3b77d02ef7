"""Section flow: how the Prefect flow runs the stages."""

import zoneinfo
from datetime import UTC, datetime
from typing import Annotated

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field, StringConstraints

from tasks.core.parameters import Positive, Section, Text

WebAddress = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+\S*$")]


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
    return expression


class FlowParameters(Section):
    """How the Prefect flow runs the stages."""

    retries: Annotated[int, Field(ge=0)]
    retry_delay: Positive
    cron: Annotated[
        str, StringConstraints(pattern=r"^\S+( \S+){4}$"), AfterValidator(_possible_cron)
    ]
    timezone: Annotated[str, AfterValidator(_known_timezone)]
    webhook: WebAddress | None
    push_to: Text | None
    commit_to: Text | None
