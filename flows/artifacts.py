"""What a run shows in Prefect's interface beside its states and logs."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    update_progress_artifact,
)

from tasks.core import paths
from tasks.models.gate import Verdict, to_markdown
from workspace.archive import ARCHIVE
from workspace.graph import Outcome
from workspace.overview import PAGE_NAME

# The address of the archive, which the service tells its runs.
ARCHIVE_VARIABLE = "PIPELINE_ARCHIVE_URL"
# "epoch 3 of at most 8: …", "describing images: 40,000 of 200,000 images, …".
_PROGRESS = re.compile(r"^(?:epoch|.+:) ([\d,]+) of (?:at most )?([\d,]+)(?::| images, )")


def show_summary(
    outcomes: Mapping[str, Outcome], seconds: Mapping[str, float], verdict: Verdict, *, report: str
) -> None:
    """The verdict, what happened to each stage and the report's text; and a link to the page.

    Args:
        report: the address of the run's report, or of all runs.

    """
    text = paths.REPORT_TEXT.read_text(encoding="utf-8") if paths.REPORT_TEXT.is_file() else ""
    create_markdown_artifact(
        "\n".join([to_markdown(verdict), describe_stages(outcomes, seconds), text]),
        key="pipeline-summary",
        description="What this run did, and how good the model is",
    )
    create_link_artifact(
        report,
        link_text=str(paths.REPORT_PAGE),
        key="pipeline-report",
        description="This run's report, or all runs where it changed nothing",
    )


def find_report(run: str | None, archive_url: str | None) -> str:
    """Where a browser finds a run's report, or all runs.

    At the address that is given, else at the service, else on this machine.
    """
    served = (archive_url or os.environ.get(ARCHIVE_VARIABLE, "")).rstrip("/")
    if not served:
        return (paths.REPORT_PAGE if run else Path(ARCHIVE / PAGE_NAME)).resolve().as_uri()
    return f"{served}/{run}/{paths.REPORT_PAGE.name}" if run else f"{served}/"


def describe_stages(outcomes: Mapping[str, Outcome], seconds: Mapping[str, float]) -> str:
    """A Markdown table: what happened to each stage, and how long that took."""
    lines = ["| stage | | seconds |", "|---|---|---:|"]
    lines += [f"| {name} | {outcome} | {seconds[name]:.1f} |" for name, outcome in outcomes.items()]
    return "\n".join(lines) + "\n"


def follow_progress(on_line: Callable[[str], None]) -> Callable[[str], None]:
    """Passes lines on, and shows those that tell how far a stage is as the progress of the task."""
    show = _show_progress()

    def on_each_line(line: str) -> None:
        on_line(line)
        if match := _PROGRESS.match(line):
            done, total = (int(number.replace(",", "")) for number in match.groups())
            show(100 * done / max(1, total), line)

    return on_each_line


def follow_count(total: int, what: str) -> Callable[[int], None]:
    """Takes how many more of a number of things are done, and shows the progress of the task.

    Each update is a request to the server, so only whole twentieths are told.
    """
    show = _show_progress()
    show(0.0, what)
    done, told = 0, 0

    def on_more(count: int) -> None:
        nonlocal done, told
        done += count
        if 20 * done // total > told:
            told = 20 * done // total
            show(5.0 * told, f"{what}: {done:,}")

    return on_more


def _show_progress() -> Callable[[float, str], None]:
    artifact: Any = None  # an identifier: outside an event loop, they return what they promise

    def show(percent: float, description: str) -> None:
        nonlocal artifact
        if artifact is None:
            artifact = create_progress_artifact(percent, description=description)
        else:
            update_progress_artifact(artifact, percent, description=description)

    return show
