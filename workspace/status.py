"""Says how good the model is, where its report lies, and whether the report is up to date.

    pipeline status

What is out of date is also written at the top of the page, for those who only open that, and is
taken off as soon as it no longer holds. Ends with 0 if the report is up to date, else with 1.
"""

from pathlib import Path

from tasks.core import paths
from tasks.core.files import write_text
from tasks.evaluate.metrics import Metrics, read_metrics
from tasks.runner.errors import InputError
from tasks.runner.lock import WorkspaceBusyError, hold_run
from tasks.runner.stage import read_marks, with_marks
from workspace.check import check
from workspace.graph import Stage, read_stages

_OWN_MARK = f"output {paths.REPORT_PAGE} is modified"


def describe_metrics(metrics: Metrics) -> str:
    """The numbers that matter, in one line."""
    low, high = metrics.accuracy_interval
    return (
        f"accuracy {metrics.accuracy:.4f} [{low:.4f}, {high:.4f}],"
        f" macro F1 {metrics.macro_f1:.4f}, on {metrics.num_images:,} test images"
    )


def find_reasons(stages: list[Stage], marks: list[str]) -> list[str]:
    """Why the report doesn't describe what lies in the workspace; empty if it does.

    A reason that several stages share is told once, by the first of them. A mark changes the page,
    which is no reason by itself; that a stage has failed stays true until nothing is out of date.
    """
    told = {_OWN_MARK} if marks else set()
    reasons = []
    for stage in stages:
        reasons += [f"{stage.name}: {reason}" for reason in stage.reasons if reason not in told]
        told.update(stage.reasons)
    failures = [mark for mark in marks if mark.endswith("has failed")]
    return [*failures, *reasons] if reasons else []


def main() -> int:
    """Prints the headline, compares the workspace with the report, marks the page."""
    root = Path.cwd()
    check()
    try:
        headline = describe_metrics(read_metrics(paths.EVALUATION))
        page = paths.REPORT_PAGE.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(f"There is no {error.filename}. Make it: dvc repro") from None
    reasons = find_reasons(read_stages(root), read_marks(page))
    print(headline)
    print(f"report: {paths.REPORT_PAGE.resolve().as_uri()}")
    mark_page(page, reasons)
    told = "\n  ".join(["out of date:", *reasons]) if reasons else "up to date."
    print(f"The report is {told}")
    return 1 if reasons else 0


def mark_page(page: str, reasons: list[str]) -> None:
    """Writes the reasons on the page that was read; a run at work writes its own, new page."""
    marked = with_marks(page, reasons)
    if marked == page:
        return
    try:
        with hold_run("pipeline status"):
            if paths.REPORT_PAGE.read_text(encoding="utf-8") == page:
                write_text(paths.REPORT_PAGE, marked)
    except WorkspaceBusyError as error:
        print(f"The page isn't marked. {error}")
