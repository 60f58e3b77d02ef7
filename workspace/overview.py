"""All runs on one page: how good the model was over time, what was decided, what changed.

archive/index.html is one file without script, like the report, made anew after each run.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from ruamel.yaml import YAML

from tasks.core.files import write_text
from workspace.archive import ARCHIVE, Run, read_runs

PAGE_NAME = "index.html"
_WIDTH, _HEIGHT = 1000.0, 240.0  # of the chart's own coordinates
_MARGIN = 8.0
_SHOWN = 300  # runs; the page stays small, the others stay in the archive


def write_overview(archive: Path = ARCHIVE) -> Path:
    """Makes the page from what the archive holds."""
    runs = read_runs(archive)[-_SHOWN:]
    changes: list[list[str]] = []
    before, parameters_before = None, {}
    for run in runs:
        parameters = read_parameters(archive / run.name / "params.yaml")
        changes.append(list(describe_change(parameters_before, parameters, before, run)))
        before, parameters_before = run, parameters
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("workspace"), PackageLoader("tasks.page")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["when"] = lambda started: f"{started[:10]} {started[11:16]} UTC"
    page = environment.get_template("overview.html.j2").render(
        rows=list(zip(reversed(runs), reversed(changes), strict=True)),
        chart=chart(runs),
        recalls=chart_recalls(runs),
        champions=list(champion_changes(runs)),
        width=_WIDTH,
        height=_HEIGHT,
    )
    write_text(archive / PAGE_NAME, page)
    return archive / PAGE_NAME


def describe_change(
    parameters_before: Mapping[str, Any],
    parameters: Mapping[str, Any],
    before: Run | None,
    run: Run,
) -> Iterator[str]:
    """What differs between a run and the one before it, in words."""
    if before is None:
        return
    old, new = flatten(parameters_before), flatten(parameters)
    for key in dict.fromkeys([*old, *new]):
        if old.get(key) != new.get(key):
            yield f"{key}: {old.get(key, 'not there')} → {new.get(key, 'not there')}"
    changed = [
        path
        for path in dict.fromkeys([*before.code, *run.code])
        if before.code.get(path) != run.code.get(path)
    ]
    if changed:
        yield f"code: {', '.join(changed)}"
    if before.data != run.data:
        counts = [
            f"{split} {before.images.get(split, 0):,} → {number:,} images"
            for split, number in run.images.items()
            if before.images.get(split) != number
        ]
        yield f"data: {', '.join(counts) or 'other images, as many as before'}"


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values under dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def read_parameters(path: Path) -> dict[str, Any]:
    """A run's parameters; none where it kept none."""
    if not path.is_file():
        return {}
    return YAML(typ="safe").load(path.read_text(encoding="utf-8")) or {}


def chart(runs: list[Run]) -> dict[str, Any] | None:
    """Where the accuracy of each run, and its interval, lie in the chart; None without a result."""
    judged = [(number, run) for number, run in enumerate(runs) if run.accuracy]
    if not judged:
        return None
    lowest = min(run.accuracy[1] for _, run in judged if run.accuracy)
    highest = max(run.accuracy[2] for _, run in judged if run.accuracy)
    points = []
    for number, run in judged:
        assert run.accuracy is not None
        accuracy, low, high = (_place(value, lowest, highest) for value in run.accuracy)
        points.append(
            {
                "run": run,
                "x": _across(number, len(runs)),
                "y": accuracy,
                "low": low,
                "high": high,
            }
        )
    failed = [_across(number, len(runs)) for number, run in enumerate(runs) if run.failure]
    return {"points": points, "failed": failed, "lowest": lowest, "highest": highest}


def chart_recalls(runs: list[Run]) -> dict[str, dict[str, Any]]:
    """Class → a line of its recall over the runs, from 0 to 1, and the first and the last value."""
    names = dict.fromkeys(name for run in runs for name in run.recalls)
    lines = {}
    for name in names:
        values = [(n, run.recalls[name]) for n, run in enumerate(runs) if name in run.recalls]
        line = " ".join(
            f"{_across(number, len(runs)):.1f},{_place(value, 0.0, 1.0):.1f}"
            for number, value in values
        )
        lines[name] = {"line": line, "first": values[0][1], "last": values[-1][1]}
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
