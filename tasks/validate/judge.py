"""Lets Great Expectations judge the tables, and puts its results into plain words."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from string import Formatter
from typing import Any, TypedDict

import pandas as pd

from tasks.core.dataset import SplitName
from tasks.core.parameters import DataParameters
from tasks.validate.expectations import (
    Expectation,
    Severity,
    name_limits,
)
from tasks.validate.parameters import ValidateParameters

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
    """One expectation and what was found.

    Attributes:
        check: what was looked at, in words.
        split: whose images.
        expected: in words.
        observed: in words.
        severity: "critical" stops the pipeline, "warning" is reported.
        success: whether the expectation holds.
        unexpected_count: how many rows break it; 1 for a figure of the whole table.
        first_images: the first images that break it, if it is about single images.
        originals: for duplicates, the images that those repeat, in the same order.

    """

    check: str
    split: SplitName
    expected: str
    observed: str
    severity: Severity
    success: bool
    unexpected_count: int
    first_images: list[Image]
    originals: list[Image]


def judge(
    *tables: tuple[pd.DataFrame, Sequence[Expectation]],
    data: DataParameters,
    limits: ValidateParameters,
) -> list[Finding]:
    """Judges tables, each by its expectations.

    Returns:
        One finding per expectation and split, in the order of the expectations.

    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}  # pyright: ignore[reportAttributeAccessIssue]
    source = context.data_sources.add_pandas("tables")
    findings: list[Finding] = []
    names: tuple[SplitName, ...] = ("train", "test")
    for split in names:
        asked = name_limits(split, data, limits)
        for number, (table, expectations) in enumerate(tables):
            chosen = [expectation for expectation in expectations if split in expectation.splits]
            rows = table[table["split"] == split].reset_index(drop=True)
            asset = source.add_dataframe_asset(f"{split} {number}")
            batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": rows})
            suite = gx.ExpectationSuite(asset.name, [_build(entry, asked) for entry in chosen])
            results = batch.validate(suite, result_format="COMPLETE").results
            # Great Expectations gives the results in an order of its own.
            plain: list[Any] = [result.to_json_dict() for result in results]
            by_check = {each["expectation_config"]["meta"]["check"]: each for each in plain}
            for entry in chosen:
                words = entry.expected.format_map(asked)
                finding = _describe(entry, words, split, rows, by_check[entry.check])
                finding["originals"] = list(
                    _find_originals(table, entry.column, finding["first_images"])
                )
                findings.append(finding)
    return findings


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
        originals=[],
    )


def _describe_rows(rows: pd.DataFrame, column: str, positions: list[int]) -> Iterator[str]:
    """The values that break an expectation: of each class by name, of images by their range."""
    broken = rows.iloc[positions]
    number = f"{len(positions):,} image{'' if len(positions) == 1 else 's'}"
    if "class" in rows.columns:
        for position in range(min(len(broken), _SHOWN)):
            row = broken.iloc[[position]]
            yield f"{row['class'].iloc[0]} {_describe_range(row, column)}"
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


def _find_originals(image_table: pd.DataFrame, column: str, images: list[Image]) -> Iterator[Image]:
    """For each duplicate, the first image with the same content: in its split, or in training."""
    if column not in _COPIES:
        return
    for image in images:
        rows = image_table[image_table["split"] == image["split"]]
        name: SplitName = "train" if column == "training_copies" else image["split"]
        same = image_table["content"] == rows["content"].iloc[image["index"]]
        original = image_table[same & (image_table["split"] == name)]
        yield Image(split=name, index=int(original["index"].iloc[0]))


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
