"""Lets Great Expectations judge the tables, and puts its results into plain words."""

import math
import os
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypedDict

import pandas as pd

from tasks.core.dataset import SplitName
from tasks.core.parameters import DataParameters
from tasks.validate.parameters import ValidateParameters

_SHOWN = 12
_COPIES = ("earlier_copies", "training_copies")


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
        expectation: its type in Great Expectations.

    """

    check: str
    split: SplitName
    expected: str
    observed: str
    severity: Literal["critical", "warning"]
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
        One finding per expectation and split, in the order of the suites.

    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    from tasks.validate.suites import class_suite, image_suite, split_suite

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}  # pyright: ignore[reportAttributeAccessIssue]
    source = context.data_sources.add_pandas("tables")
    findings: list[Finding] = []
    names: tuple[SplitName, ...] = ("train", "test")
    for name in names:
        for table, suite in (
            (split_table, split_suite(name, data, limits)),
            (class_table, class_suite(name, limits)),
            (image_table, image_suite(name, data, limits)),
        ):
            rows = table[table["split"] == name].reset_index(drop=True)
            asset = source.add_dataframe_asset(suite.name)
            batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": rows})
            results = batch.validate(suite, result_format="COMPLETE").results
            # Great Expectations gives the results in an order of its own.
            by_check = {
                _check_of(result.to_json_dict()): result.to_json_dict() for result in results
            }
            findings += [
                _describe(name, rows, image_table, by_check[_name_of(expectation)])
                for expectation in suite.expectations
            ]
    return findings


def _describe(
    split: SplitName, rows: pd.DataFrame, image_table: pd.DataFrame, result: Mapping[str, Any]
) -> Finding:
    configuration = result["expectation_config"]
    found = result["result"]
    error = _exception(result)
    positions = list(found.get("unexpected_index_list") or [])
    count = int(found.get("unexpected_count") or 0)
    success = bool(result["success"]) and not error and len(rows) > 0
    settings = configuration["kwargs"]
    column = settings.get("column") or settings.get("column_B", "")
    about_images = "index" in rows.columns
    if error:
        observed = f"can't be judged: {error}"
    elif len(rows) == 0:
        observed = "no images"
    elif positions:
        observed = ", ".join(_describe_rows(rows, column, positions))
    elif found.get("observed_value") is not None:
        observed = _number(found["observed_value"])
    elif column:
        observed = _describe_range(rows, column)
    else:
        observed = "as expected"
    images: list[Image] = (
        [Image(split=split, index=int(position)) for position in positions[:_SHOWN]]
        if about_images
        else []
    )
    return Finding(
        check=configuration["meta"]["check"],
        split=split,
        expected=configuration["meta"]["expected"],
        observed=observed,
        severity=configuration["severity"],
        success=success,
        unexpected_count=count or int(not success),
        first_images=images,
        originals=list(_find_originals(image_table, column, images)),
        expectation=configuration["type"],
    )


def _name_of(expectation: Any) -> str:
    return expectation.meta["check"]


def _check_of(result: Any) -> str:
    return result["expectation_config"]["meta"]["check"]


def _describe_rows(rows: pd.DataFrame, column: str, positions: list[int]) -> Iterator[str]:
    """The values that break an expectation: of each class by name, of images by their range."""
    values = rows[column].iloc[positions]
    if "class" in rows.columns:
        for position in positions[:_SHOWN]:
            row = rows.iloc[[position]]
            yield f"{row['class'].iloc[0]} {_describe_range(row, column)}"
    elif len(rows) == 1:
        yield _number(values.iloc[0])
    elif values.isna().any():
        yield f"missing in {_count_images(positions)}"
    elif column in _COPIES:
        yield _count_images(positions)
    else:
        yield f"{_describe_range(rows.iloc[positions], column)} in {_count_images(positions)}"


def _count_images(positions: list[int]) -> str:
    return f"{len(positions):,} image{'' if len(positions) == 1 else 's'}"


def _describe_range(rows: pd.DataFrame, column: str) -> str:
    """The lowest and the highest value of a column; of a deviation, of the share itself."""
    name = "share" if column == "deviation" else column
    form = "{:.1%}".format if "share" in name or name == "centroid_recall" else _number
    low, high = form(rows[name].min()), form(rows[name].max())
    return low if low == high else f"{low} to {high}"


def _find_originals(image_table: pd.DataFrame, column: str, images: list[Image]) -> Iterator[Image]:
    """For each duplicate, the first image with the same content: in its split, or in training."""
    if column not in _COPIES:
        return
    for image in images:
        in_split = image_table[image_table["split"] == image["split"]]
        content = in_split["content"].iloc[image["index"]]
        name: SplitName = "train" if column == "training_copies" else image["split"]
        same = image_table[(image_table["split"] == name) & (image_table["content"] == content)]
        yield Image(split=name, index=int(same["index"].iloc[0]))


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
