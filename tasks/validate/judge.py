"""Lets Great Expectations judge the tables, and puts its results into plain words."""

import math
from collections.abc import Iterator, Mapping, Sequence
from string import Formatter
from typing import Any, TypedDict

import pandas as pd

from tasks.core.dataset import SplitName
from tasks.core.parameters import DataParameters
from tasks.validate.ask import ask
from tasks.validate.expectations import Expectation, Severity, name_limits
from tasks.validate.parameters import ValidateParameters

_SPLITS: tuple[SplitName, ...] = ("train", "test")
_SHOWN = 12
_COPIES = ("earlier_copies", "training_copies")
# A deviation from a share is told by the share itself.
_TOLD_BY = {"deviation": "share"}
_SHARES = ("share", "zero_share", "centroid_recall")


class Image(TypedDict):
    """The place of an image."""

    split: SplitName
    index: int


class Finding(TypedDict):
    """One expectation and what was found, in words."""

    check: str
    split: SplitName
    expected: str
    observed: str
    severity: Severity  # "critical" stops the pipeline, "warning" is reported
    success: bool
    unexpected_count: int  # how many rows break it; 1 for a figure of the whole table
    first_images: list[Image]  # the first that break it, if it is about single images
    originals: list[Image]  # for duplicates, the images that those repeat, in the same order


def is_critical(finding: Finding) -> bool:
    """Whether the finding stops the pipeline."""
    return not finding["success"] and finding["severity"] == "critical"


def describe(finding: Finding) -> str:
    """One line: what was looked at, found and expected, how many rows, the first images."""
    line = (
        f"{finding['split']}: {finding['check']}: found {finding['observed']};"
        f" expected {finding['expected']}"
    )
    indices = ", ".join(str(image["index"]) for image in finding["first_images"])
    return f"{line} (first at {indices})" if indices else line


def judge(
    *tables: tuple[pd.DataFrame, Sequence[Expectation]],
    data: DataParameters,
    limits: ValidateParameters,
) -> list[Finding]:
    """One finding per expectation of a table and split, in the order of the expectations."""
    asked: dict[SplitName, Any] = {split: name_limits(split, data, limits) for split in _SPLITS}
    parts: list[tuple[SplitName, pd.DataFrame, Any, list[Expectation]]] = [
        (split, table, table[table["split"] == split].reset_index(drop=True), chosen)
        for split in _SPLITS
        for table, entries in tables
        if (chosen := [entry for entry in entries if split in entry.splits])
    ]
    answers = ask(
        [
            (rows, [_build(entry, asked[split]) for entry in chosen])
            for split, _, rows, chosen in parts
        ]
    )
    return [
        _describe(entry, entry.expected.format_map(asked[split]), split, rows, table, result)
        for (split, table, rows, chosen), results in zip(parts, answers, strict=True)
        for entry, result in zip(chosen, results, strict=True)
    ]


def _build(entry: Expectation, asked: Mapping[str, Any]) -> Any:
    """The entry as an expectation of Great Expectations, with the limits that the names have."""
    import great_expectations.expectations as gxe

    low, high, apart = (
        Formatter().get_field(limit, (), asked)[0] if isinstance(limit, str) else limit
        for limit in (entry.low, entry.high, entry.apart)
    )
    settings: dict[str, Any] = {"min_value": low, "max_value": high, "value_set": entry.values}
    if apart is not None:
        settings["mostly"] = 1 - apart
    if entry.rule == "ExpectColumnKLDivergenceToBeLessThan":
        shares = list(asked["shares"])
        partition = {"values": list(range(len(shares))), "weights": shares}
        settings = {"threshold": high, "partition_object": partition}
    stated = {name: value for name, value in settings.items() if value is not None}
    if entry.column:
        stated["column"] = entry.column
    return getattr(gxe, entry.rule)(**stated, severity=entry.severity, meta={"check": entry.check})


def _describe(
    entry: Expectation,
    expected: str,
    split: SplitName,
    rows: pd.DataFrame,
    table: pd.DataFrame,
    result: Mapping[str, Any],
) -> Finding:
    found, error = result["result"], _exception(result)
    positions = list(found.get("unexpected_index_list") or [])
    success = bool(result["success"]) and not error and len(rows) > 0
    if error:
        observed = f"can't be judged: {error}"
    elif len(rows) == 0:
        observed = "no images"
    elif positions:
        observed = ", ".join(_describe_rows(rows, entry.column, positions))
    elif found.get("observed_value") is not None:
        observed = _number(found["observed_value"])
    else:
        observed = _describe_range(rows, entry.column)
    shown = positions[:_SHOWN] if "index" in rows.columns else []
    return Finding(
        check=entry.check,
        split=split,
        expected=expected,
        observed=observed,
        severity=entry.severity,
        success=success,
        unexpected_count=int(found.get("unexpected_count") or 0) or int(not success),
        first_images=[Image(split=split, index=int(position)) for position in shown],
        originals=list(_find_originals(table, rows, entry.column, shown)),
    )


def _describe_rows(rows: pd.DataFrame, column: str, positions: list[int]) -> Iterator[str]:
    """The values that break an expectation: of each class by name, of images by their range."""
    broken = rows.iloc[positions]
    number = f"{len(positions):,} image{'' if len(positions) == 1 else 's'}"
    if "class" in rows.columns:
        for name, row in broken[:_SHOWN].groupby("class", sort=False):
            yield f"{name} {_describe_range(row, column)}"
    elif "index" not in rows.columns:
        yield _number(broken[column].iloc[0])
    elif broken[column].isna().any():
        yield f"missing in {number}"
    elif column in _COPIES:
        yield number
    else:
        yield f"{_describe_range(broken, column)} in {number}"


def _describe_range(rows: pd.DataFrame, column: str) -> str:
    """The lowest and the highest value of a column; of a deviation, of the share itself."""
    name = _TOLD_BY.get(column, column)
    form = "{:.1%}".format if name in _SHARES else _number
    low, high = form(rows[name].min()), form(rows[name].max())
    return low if low == high else f"{low} to {high}"


def _find_originals(
    table: pd.DataFrame, rows: pd.DataFrame, column: str, positions: list[int]
) -> Iterator[Image]:
    """For each duplicate, the first image with the same content: in its split, or in training."""
    if column not in _COPIES:
        return
    originals = table[table["split"] == "train"] if column == "training_copies" else rows
    for content in rows["content"].iloc[positions]:
        first = originals[originals["content"] == content].iloc[0]
        yield Image(split=first["split"], index=int(first["index"]))


def _exception(result: Mapping[str, Any]) -> str:
    info = result.get("exception_info") or {}
    entries = [info] if "raised_exception" in info else list(info.values())
    return "; ".join(
        str(entry["exception_message"]).strip()
        for entry in entries
        if isinstance(entry, Mapping) and entry.get("raised_exception")
    )


def _number(value: Any) -> str:
    if isinstance(value, str):
        return value
    number = float(value)
    if math.isfinite(number) and number == int(number):
        return f"{int(number):,}"
    return f"{number:.4g}"
