"""Lets Great Expectations judge the tables, and puts its results into plain words."""

import math
import os
from collections.abc import Iterator, Mapping
from typing import Any, TypedDict

import pandas as pd

from tasks.core.dataset import SplitName
from tasks.core.parameters import DataParameters
from tasks.validate.expectations import (
    OF_CLASSES,
    OF_IMAGES,
    OF_SPLITS,
    Asked,
    Expectation,
    Severity,
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
        expectation: its rule in Great Expectations.

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
    expectation: str


def judge(
    split_table: pd.DataFrame,
    class_table: pd.DataFrame,
    image_table: pd.DataFrame,
    *,
    data: DataParameters,
    limits: ValidateParameters,
) -> list[Finding]:
    """Judges the three tables of `tasks.validate.tables`.

    Returns:
        One finding per expectation and split, in the order of the expectations.

    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}  # pyright: ignore[reportAttributeAccessIssue]
    source = context.data_sources.add_pandas("tables")
    kinds = {
        "splits": (split_table, OF_SPLITS),
        "classes": (class_table, OF_CLASSES),
        "images": (image_table, OF_IMAGES),
    }
    findings: list[Finding] = []
    names: tuple[SplitName, ...] = ("train", "test")
    for split in names:
        asked = Asked(split, data, limits)
        for kind, (table, expectations) in kinds.items():
            chosen = [expectation for expectation in expectations if split in expectation.splits]
            rows = table[table["split"] == split].reset_index(drop=True)
            asset = source.add_dataframe_asset(f"{split} {kind}")
            batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": rows})
            suite = gx.ExpectationSuite(
                name=asset.name, expectations=[_build(expectation, asked) for expectation in chosen]
            )
            results = batch.validate(suite, result_format="COMPLETE").results
            # Great Expectations gives the results in an order of its own.
            by_check = {
                result["expectation_config"]["meta"]["check"]: result
                for result in (result.to_json_dict() for result in results)
            }
            findings += [
                _describe(each, asked, rows, by_check[each.check], image_table) for each in chosen
            ]
    return findings


def _build(expectation: Expectation, asked: Asked) -> Any:
    import great_expectations.expectations as gxe

    rule, settings = expectation.rule(asked)
    column = {} if rule.startswith("ExpectTable") else {"column": expectation.column}
    return getattr(gxe, rule)(
        **column, **settings, severity=expectation.severity, meta={"check": expectation.check}
    )


def _describe(
    expectation: Expectation,
    asked: Asked,
    rows: pd.DataFrame,
    result: Mapping[str, Any],
    image_table: pd.DataFrame,
) -> Finding:
    found, error = result["result"], _exception(result)
    positions = list(found.get("unexpected_index_list") or [])
    success = bool(result["success"]) and not error and len(rows) > 0
    if error:
        observed = f"can't be judged: {error}"
    elif len(rows) == 0:
        observed = "no images"
    elif positions:
        observed = ", ".join(_describe_rows(rows, expectation.column, positions))
    elif found.get("observed_value") is not None:
        observed = _number(found["observed_value"])
    else:
        observed = _describe_range(rows, expectation.column)
    about_images = "index" in rows.columns
    images = [
        Image(split=asked.split, index=int(position))
        for position in positions[: _SHOWN if about_images else 0]
    ]
    return Finding(
        check=expectation.check,
        split=asked.split,
        expected=expectation.expected(asked),
        observed=observed,
        severity=expectation.severity,
        success=success,
        unexpected_count=int(found.get("unexpected_count") or 0) or int(not success),
        first_images=images,
        originals=list(_find_originals(image_table, expectation.column, images)),
        expectation=expectation.rule(asked)[0],
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
