"""Says how good the model is, where its report lies, and whether the report is up to date.

    python -m workspace.status

What is out of date is also written at the top of the page, for those who only open that, and is
taken off as soon as it no longer holds. Ends with 0 if the report is up to date, else with 1.
"""

import json
import sys
from pathlib import Path
from typing import Any

from tasks.core import paths
from tasks.core.files import write_text
from tasks.runner.errors import InputError
from tasks.runner.stage import read_marks, with_marks
from workspace.check import check_parameters
from workspace.graph import Stage, read_stages

_OWN_MARK = f"output {paths.REPORT_PAGE} is modified"


def describe_metrics(metrics: dict[str, Any]) -> str:
    """The numbers that matter, in one line."""
    low, high = metrics["accuracy_interval"]
    return (
        f"accuracy {metrics['accuracy']:.4f} [{low:.4f}, {high:.4f}],"
        f" macro F1 {metrics['macro_f1']:.4f}, on {metrics['num_images']:,} test images"
    )


def find_reasons(stages: list[Stage], marks: list[str]) -> list[str]:
    """Why the report doesn't describe what lies in the workspace; empty if it does.

    Args:
        stages: as DVC sees them.
        marks: what the page already says.

    A reason that several stages share is told once, by the first of them. A mark changes the page,
    which is no reason by itself; that a stage has failed stays true until nothing is out of date.

    """
    first_stages: dict[str, str] = {}
    for stage in stages:
        for reason in stage.reasons:
            first_stages.setdefault(reason, stage.name)
    reasons = [
        f"{stage}: {reason}"
        for reason, stage in first_stages.items()
        if not (marks and reason == _OWN_MARK)
    ]
    failures = [mark for mark in marks if mark.endswith("has failed")]
    return [*failures, *reasons] if reasons else []


def main() -> None:
    """Prints the headline, compares the workspace with the report, marks the page."""
    try:
        check_parameters()
        metrics = json.loads(paths.METRICS.read_text(encoding="utf-8"))
        page = paths.REPORT_PAGE.read_text(encoding="utf-8")
        reasons = find_reasons(read_stages(Path.cwd()), read_marks(page))
    except InputError as error:
        sys.exit(str(error))
    except FileNotFoundError as error:
        sys.exit(f"There is no {error.filename}. Make it: dvc repro")
    marked = with_marks(page, reasons)
    if marked != page:
        write_text(paths.REPORT_PAGE, marked)
    print(describe_metrics(metrics))
    print(f"report: {paths.REPORT_PAGE.resolve().as_uri()}")
    if reasons:
        print("The report is out of date:")
        print("\n".join(f"  {reason}" for reason in reasons))
        sys.exit(1)
    print("The report is up to date.")


if __name__ == "__main__":
    main()
