"""From splits to findings, by three tables: a row per split, per split and class, per image.

What the stage, the proposal and the tests share.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tasks.core.dataset import ImageSplit, SplitName
from tasks.core.parameters import DataParameters
from tasks.images.statistics import describe_images
from tasks.validate.expectations import OF_CLASSES, OF_IMAGES, OF_LABELS, OF_SPLITS, Expectation
from tasks.validate.judge import Finding, judge
from tasks.validate.labels import compare_suspicions, look_at_labels
from tasks.validate.parameters import ValidateParameters

Splits = Mapping[SplitName, ImageSplit]


def validate(
    splits: Splits, *, data: DataParameters, limits: ValidateParameters
) -> tuple[pd.DataFrame, list[Finding]]:
    """Tabulates and judges the data: the table of the classes, and the findings."""
    images = tabulate_images(splits)
    classes = tabulate_classes(images, classes=data.classes, shares=limits.expected_shares(data))
    tables = (tabulate_splits(splits), OF_SPLITS), (classes, OF_CLASSES), (images, OF_IMAGES)
    return classes, judge(*tables, data=data, limits=limits)


def validate_labels(
    training: ImageSplit, *, data: DataParameters, limits: ValidateParameters
) -> tuple[pd.DataFrame, list[Finding]]:
    """Looks for wrong labels in data that is sound otherwise.

    Returns:
        The suspicious labels, as `look_at_labels` gives them, and the findings, which there are if
        it is known what was accepted before.

    """
    suspicious, found = look_at_labels(training, num_classes=len(data.classes), seed=limits.seed)
    accepted = limits.accepted_suspicion(data)
    if accepted is None:
        return suspicious, []
    chances = compare_suspicions(found, accepted).min(axis=0)
    table = pd.DataFrame({"split": "train", "class": data.classes, "chance": chances})
    return suspicious, judge((table, OF_LABELS), data=data, limits=limits)


def tabulate_images(splits: Splits) -> pd.DataFrame:
    """One row per image: split, index (the position in the split), label, and what is known of it.

    The label is float64, NaN where an image has none; known are the columns of `describe_images`,
    and those that the expectations measure.
    """
    frames: dict[SplitName, pd.DataFrame] = {
        name: describe_images(split.images) for name, split in splits.items()
    }
    for name, frame in frames.items():
        known = splits[name].labels[: len(frame)]
        frame.insert(0, "split", name)
        frame.insert(1, "index", np.arange(len(frame)))
        frame.insert(2, "label", pd.Series(known, dtype=np.float64).reindex(frame.index))
        asked = [entry for entry in OF_IMAGES if name in entry.splits]
        measured = dict.fromkeys((each.column for each in OF_IMAGES if each.measure), 0)
        for column, values in (measured | _measure(asked, frame, frames["train"])).items():
            frame[column] = values
    return pd.concat(frames.values(), ignore_index=True)


def tabulate_classes(
    images: pd.DataFrame, *, classes: tuple[str, ...], shares: tuple[float, ...]
) -> pd.DataFrame:
    """One row per split and class; a class without images has a row, too.

    From what `tabulate_images` gives, the names of the classes and their expected shares: a frame
    with split, label (a position in the names), class, count, share, deviation (of the share from
    the expected one, in either direction), and what the expectations measure (NaN without images).
    """
    rows = []
    for split, group in images.groupby("split", sort=False):
        by_label = dict(tuple(group.groupby("label")))
        for label, (name, expected) in enumerate(zip(classes, shares, strict=True)):
            members = by_label.get(label, group[:0])
            share = len(members) / len(group)
            row = {"split": split, "label": label, "class": name, "count": len(members)}
            row |= {"share": share, "deviation": abs(share - expected)}
            rows.append(row | _measure(OF_CLASSES, members))
    return pd.DataFrame(rows)


def tabulate_splits(splits: Splits) -> pd.DataFrame:
    """One row per split: its name, and what the expectations measure."""
    return pd.DataFrame(
        {"split": name} | _measure(OF_SPLITS, split, splits["train"])
        for name, split in splits.items()
    )


def _measure(entries: Sequence[Expectation], *of: Any) -> dict[str, Any]:
    """The columns that expectations measure of something."""
    return {entry.column: entry.measure(*of) for entry in entries if entry.measure}
