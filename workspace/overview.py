"""All runs on one page: how good the model was over time, what was decided, what changed.

archive/index.html is one file without script, like the report, made anew after each run.
"""

from collections.abc import Iterator
from itertools import pairwise
from math import floor
from pathlib import Path
from typing import Any

from tasks.core.files import write_text
from tasks.page.render import make_environment
from workspace.archive import ARCHIVE, CHANGES_NAME, Run, find_record, read_runs
from workspace.compare import describe_change

PAGE_NAME = "index.html"

TITLE = "Runs"  # also of the copies that earlier runs have left
_WIDTH, _HEIGHT = 1000.0, 240.0  # of the chart's own coordinates
_MARGIN = 8.0
_SHOWN = 300  # runs; the page stays small, the others stay in the archive


def write_overview(archive: Path = ARCHIVE) -> Path:
    """Makes the page from what the archive holds."""
    runs = read_runs(archive)[-_SHOWN:]
    recalls = [recall for run in runs for recall in run.recalls.values()]
    lowest = floor(10 * min(recalls, default=0.0)) / 10
    changes = [[], *(list(describe_change(*pair)) for pair in pairwise(runs))][: len(runs)]
    environment = make_environment("workspace", {}, classes=())
    environment.tests["with_samples"] = lambda run: (archive / run.name / CHANGES_NAME).is_file()
    environment.filters["when"] = lambda started: f"{started[:10]} {started[11:16]} UTC"
    page = environment.get_template("overview.html.j2").render(
        rows=list(zip(reversed(runs), reversed(changes), strict=True)),
        chart=chart(runs),
        recalls=chart_recalls(runs, lowest),
        lowest_recall=lowest,
        champions=list(champion_changes(runs)),
        width=_WIDTH,
        height=_HEIGHT,
        record=find_record(archive.parent),
        title=TITLE,
        samples=CHANGES_NAME,
    )
    write_text(archive / PAGE_NAME, page)
    return archive / PAGE_NAME


def chart(runs: list[Run]) -> dict[str, Any] | None:
    """Where the accuracy of each run, and its interval, lie in the chart; None without a result."""
    judged = [(number, run, run.accuracy) for number, run in enumerate(runs) if run.accuracy]
    if not judged:
        return None
    lowest = min(low for _, _, (_, low, _) in judged)
    highest = max(high for _, _, (_, _, high) in judged)
    points = []
    for number, run, figures in judged:
        accuracy, low, high = (_place(value, lowest, highest) for value in figures)
        place = {"x": _across(number, len(runs)), "y": accuracy, "low": low, "high": high}
        points.append(place | {"run": run})
    failed = [_across(number, len(runs)) for number, run in enumerate(runs) if run.failure]
    return {"points": points, "failed": failed, "lowest": lowest, "highest": highest}


def chart_recalls(runs: list[Run], lowest: float) -> dict[str, dict[str, Any]]:
    """Class → a line of its recall over the runs, up to 1, and the first and the last value."""
    lines = {}
    for name in dict.fromkeys(name for run in runs for name in run.recalls):
        values = [(n, run.recalls[name]) for n, run in enumerate(runs) if name in run.recalls]
        points = [f"{_across(n, len(runs))},{_place(value, lowest, 1.0)}" for n, value in values]
        lines[name] = {"line": " ".join(points), "first": values[0][1], "last": values[-1][1]}
    return lines


def champion_changes(runs: list[Run]) -> Iterator[tuple[Run, str | None]]:
    """The runs after which another champion was in use, and the one before."""
    before: str | None = None
    for run in runs:
        if run.champion != before:
            yield run, before
        before = run.champion


def _across(number: int, count: int) -> float:
    return round(_MARGIN + (number + 0.5) / count * (_WIDTH - 2 * _MARGIN), 1)


def _place(value: float, lowest: float, highest: float) -> float:
    share = (value - lowest) / (highest - lowest) if highest > lowest else 0.5
    return round(_HEIGHT - _MARGIN - share * (_HEIGHT - 2 * _MARGIN), 1)
