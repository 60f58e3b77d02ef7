"""The tables that are judged: one row per split, one per split and class, one per image."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tasks.core.dataset import ImageSplit, SplitName
from tasks.images.statistics import describe_images
from tasks.validate.expectations import OF_CLASSES, OF_IMAGES, OF_SPLITS

Splits = Mapping[SplitName, ImageSplit]


def tabulate_images(splits: Splits) -> pd.DataFrame:
    """One row per image.

    Returns:
        A frame with split, index (the position in the split), label (float64; NaN where an image
        has none), the columns of `describe_images`, and those that the expectations measure.

    """
    frames: dict[SplitName, pd.DataFrame] = {
        name: describe_images(split.images) for name, split in splits.items()
    }
    for name, frame in frames.items():
        known = splits[name].labels[: len(frame)]
        frame.insert(0, "split", name)
        frame.insert(1, "index", np.arange(len(frame)))
        frame.insert(2, "label", pd.Series(known, dtype=np.float64).reindex(frame.index))
        for expectation in OF_IMAGES:
            if expectation.measure:
                frame[expectation.column] = (
                    expectation.measure(frame, frames["train"]) if name in expectation.splits else 0
                )
    return pd.concat(frames.values(), ignore_index=True)


def tabulate_classes(
    images: pd.DataFrame, *, classes: tuple[str, ...], shares: tuple[float, ...]
) -> pd.DataFrame:
    """One row per split and class; a class without images has a row, too.

    Args:
        images: as `tabulate_images` gives it.
        classes: their names; a label is a position in them.
        shares: the expected share of each class.

    Returns:
        A frame with split, label, class, count, share, deviation (of the share from the expected
        one, in either direction), and what the expectations measure (NaN without images).

    """
    rows = []
    for split, group in images.groupby("split", sort=False):
        by_label = dict(tuple(group.groupby("label")))
        for label, (name, expected) in enumerate(zip(classes, shares, strict=True)):
            members = by_label.get(label, group[:0])
            share = len(members) / len(group)
            row = {"split": split, "label": label, "class": name, "count": len(members)}
            row |= {"share": share, "deviation": abs(share - expected)}
            rows.append(
                row | {each.column: each.measure(members) for each in OF_CLASSES if each.measure}
            )
    return pd.DataFrame(rows)


def tabulate_splits(splits: Splits) -> pd.DataFrame:
    """One row per split: its name, and what the expectations measure."""
    return pd.DataFrame(
        [
            {"split": name}
            | {
                each.column: each.measure(split, splits["train"])
                for each in OF_SPLITS
                if each.measure
            }
            for name, split in splits.items()
        ]
    )
