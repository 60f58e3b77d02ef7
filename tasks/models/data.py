"""The images that a model was trained and judged on, a row each: what tells how data changed.

The gate keeps it beside a champion, the archive beside each run.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.core import paths
from tasks.core.dataset import SplitName, load_split
from tasks.images.statistics import describe_images
from tasks.models.card import read_card
from tasks.runner.errors import InputError

IMAGES_NAME = "images.parquet"
_SPLITS: tuple[tuple[SplitName, str], ...] = (("train", "training"), ("test", "test"))
_STATISTICS = {"mean": "brightness", "spread": "contrast", "zero_share": "share of zeros"}
_NUM_NAMED = 20  # classes
# That a statistic's mean has moved is told if it is more than this part of its standard deviation,
# and more than so many standard errors, which chance hardly gives.
_NOTABLE = 0.05
_STANDARD_ERRORS = 3


def describe_data(root: Path = Path()) -> pd.DataFrame:
    """The images in data/raw, in their order: split, content (uint64), label, float32 statistics.

    Raises:
        InputError: the data are damaged, or there is no candidate, whose classes name the labels.

    """
    classes = read_card(root / paths.CANDIDATE)["classes"]
    frames = []
    for split, _ in _SPLITS:
        loaded = load_split(split, root / paths.RAW)
        described = describe_images(loaded.images)
        frame = described[list(_STATISTICS)].astype(np.float32)
        frame.insert(0, "label", np.asarray(classes, object)[loaded.labels])
        frame.insert(0, "content", described["content"])
        frame.insert(0, "split", split)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def read_images(folder: Path) -> pd.DataFrame:
    """What `describe_data` gave when a model's, or a run's, folder was made.

    Raises:
        InputError: it isn't there, or can't be read.

    """
    path = folder / IMAGES_NAME
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(
            f"It isn't known which images {folder} is about: {path} can't be read ({error}). Models"
            " and runs that are made anew have it"
        ) from None


def hashes_of(images: pd.DataFrame, split: str) -> np.ndarray:
    """(n,) uint64, the contents of a split's images, in their order."""
    return images.loc[images["split"] == split, "content"].to_numpy()


def tell_changes(before: pd.DataFrame, after: pd.DataFrame) -> Iterator[str]:
    """What came, went, changed its label or moved, a line each, with numbers per class."""
    for split, name in _SPLITS:
        old, new = (frame[frame["split"] == split] for frame in (before, after))
        came = new[~new["content"].isin(old["content"])]
        went = old[~old["content"].isin(new["content"])]
        both = old.drop_duplicates("content").merge(
            new.drop_duplicates("content"), on="content", suffixes=("_before", "_after")
        )
        moved = both[both["label_before"] != both["label_after"]]
        names = moved["label_before"] + " → " + moved["label_after"]
        parts = [("came", came["label"]), ("went", went["label"]), ("changed their label", names)]
        told = [f"{len(found):,} {what} ({_count(found)})" for what, found in parts if len(found)]
        if told:
            yield f"{name} images: {', '.join(told)}"
        for column, statistic in _STATISTICS.items():
            mean, now = float(old[column].mean()), float(new[column].mean())
            spread = float(old[column].std(ddof=0))
            errors = (frame[column].var(ddof=0) / max(1, len(frame)) for frame in (old, new))
            if abs(now - mean) > max(_NOTABLE * spread, _STANDARD_ERRORS * sum(errors) ** 0.5):
                yield f"{name} images: {statistic} {mean:.4g} → {now:.4g}, on average"


def _count(labels: pd.Series) -> str:
    """Each label and how often it is there, the most frequent first."""
    numbers = labels.value_counts()
    told = [f"{label} {number:,}" for label, number in numbers.head(_NUM_NAMED).items()]
    others = int(numbers.iloc[_NUM_NAMED:].sum())
    return ", ".join([*told, f"{others:,} of other classes"] if others else told)
