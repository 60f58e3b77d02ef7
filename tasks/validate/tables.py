"""The tables that are judged: one row per split, one per split and class, one per image."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tasks.core.dataset import ImageSplit, SplitName
from tasks.images.statistics import describe_images, iterate_chunks

Splits = Mapping[SplitName, ImageSplit]


def tabulate_images(splits: Splits) -> pd.DataFrame:
    """One row per image.

    Returns:
        A frame with split, index (the position in the split), label (float64; NaN where an image
        has none), the columns of `describe_images`, earlier_copies (how many earlier images of the
        same split are identical), and training_copies (how many training images are identical to
        this test image; 0 for training images).

    """
    frames = []
    for name, split in splits.items():
        frame = describe_images(split.images)
        labels = np.full(len(frame), np.nan)
        known = min(len(frame), len(split.labels))
        labels[:known] = split.labels[:known]
        frame.insert(0, "split", name)
        frame.insert(1, "index", np.arange(len(frame)))
        frame.insert(2, "label", labels)
        frame["earlier_copies"] = frame.groupby("content").cumcount()
        frames.append(frame)
    training = frames[0]["content"].value_counts()
    for frame in frames:
        is_training = frame is frames[0]
        frame["training_copies"] = (
            0 if is_training else frame["content"].map(training).fillna(0).astype(np.int64)
        )
    return pd.concat(frames, ignore_index=True)


def tabulate_classes(
    images: pd.DataFrame, *, classes: tuple[str, ...], shares: tuple[float, ...]
) -> pd.DataFrame:
    """One row per split and class; a class without images has a row, too.

    Args:
        images: as `tabulate_images` gives it.
        classes: their names; a label is a position in them.
        shares: the expected share of each class.

    Returns:
        A frame with split, label, class, count, share, deviation (the share less the expected one),
        and brightness (the mean of the images' means; NaN without images).

    """
    rows = []
    for split, group in images.groupby("split", sort=False):
        by_label = group.groupby("label")["mean"]
        counts, brightness = by_label.size(), by_label.mean()
        for label, (name, expected) in enumerate(zip(classes, shares, strict=True)):
            count = int(counts.get(label, 0))
            rows.append(
                {
                    "split": split,
                    "label": label,
                    "class": name,
                    "count": count,
                    "share": count / len(group),
                    "deviation": count / len(group) - expected,
                    "brightness": float(brightness.get(label, np.nan)),
                }
            )
    return pd.DataFrame(rows)


def tabulate_splits(splits: Splits, *, num_classes: int) -> pd.DataFrame:
    """One row per split.

    Returns:
        A frame with split, num_images, num_labels, dtype, height, width, channels (-1 where the
        array has no such axis), constant_pixels (how many pixels have the same value, not 0, in all
        images), and centroid_recall (see `measure_centroid_recall`).

    """
    centroids = measure_centroids(splits["train"], num_classes=num_classes)
    rows = []
    for name, split in splits.items():
        shape = split.images.shape[1:] if split.images.ndim == 4 else (-1, -1, -1)
        rows.append(
            {
                "split": name,
                "num_images": len(split.images),
                "num_labels": len(split.labels),
                "dtype": str(split.images.dtype),
                "height": shape[0],
                "width": shape[1],
                "channels": shape[2],
                "constant_pixels": count_constant_pixels(split.images),
                "centroid_recall": measure_centroid_recall(
                    split, centroids, held_in=name == "train"
                ),
            }
        )
    return pd.DataFrame(rows)


def count_constant_pixels(images: np.ndarray) -> int:
    """Counts the pixels that have one value, not 0, in all images: those of a broken sensor.

    A pixel that is always 0 is what a margin looks like.
    """
    lowest = highest = None
    for chunk in iterate_chunks(images):
        low, high = chunk.min(axis=0), chunk.max(axis=0)
        lowest = low if lowest is None else np.minimum(lowest, low)
        highest = high if highest is None else np.maximum(highest, high)
    if lowest is None or highest is None or len(images) < 2:
        return 0
    return int(((lowest == highest) & (lowest != 0)).sum())


class Centroids:
    """The mean image of each class.

    Attributes:
        means: (classes, pixels) float64; NaN for a class without images.
        counts: (classes,) how many images each mean is of.

    """

    def __init__(self, means: np.ndarray, counts: np.ndarray) -> None:
        self.means = means
        self.counts = counts


def measure_centroids(split: ImageSplit, *, num_classes: int) -> Centroids:
    """Averages the images of each class."""
    labels = np.asarray(split.labels)
    sums = np.zeros((num_classes, int(np.prod(split.images.shape[1:]))))
    counts = np.zeros(num_classes)
    start = 0
    for chunk in iterate_chunks(split.images):
        targets = labels[start : start + len(chunk)]
        start += len(chunk)
        one_hot = (targets == np.arange(num_classes)[:, None]).astype(np.float32)
        with np.errstate(invalid="ignore"):
            sums += one_hot @ chunk[: len(targets)].astype(np.float32)
        counts += one_hot.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Centroids(sums / counts[:, None], counts)


def measure_centroid_recall(split: ImageSplit, centroids: Centroids, *, held_in: bool) -> float:
    """The share of images that are nearest to the mean image of their own class, over classes.

    Where images and labels belong together it is far above chance (1 / classes), whatever the
    images show; where the labels were shuffled or shifted, it is chance. An image that is itself
    part of its class's mean (`held_in`) is compared with the mean of the others: ‖x − (n·m − x) /
    (n − 1)‖ = n / (n − 1) · ‖x − m‖.

    Returns:
        The mean over the classes of the recall, in [0, 1]; NaN if it can't be measured.

    """
    labels = np.asarray(split.labels)
    num_pixels = int(np.prod(split.images.shape[1:]))
    present = np.flatnonzero(centroids.counts > int(held_in))
    if num_pixels != centroids.means.shape[1] or not len(present) or not len(labels):
        return float("nan")
    means = centroids.means[present].astype(np.float32)
    counts = centroids.counts[present]
    correct, start = [], 0
    for chunk in iterate_chunks(split.images):
        targets = labels[start : start + len(chunk)]
        start += len(chunk)
        pixels = chunk[: len(targets)].astype(np.float32)
        # Pixels that are NaN or infinite have an expectation of their own.
        with np.errstate(invalid="ignore"):
            distances = (
                (pixels**2).sum(axis=1)[:, None] - 2 * pixels @ means.T + (means**2).sum(axis=1)
            ).astype(np.float64)
        if held_in:
            own = targets[:, None] == present
            distances = np.where(own, distances * (counts / (counts - 1)) ** 2, distances)
        correct.append(present[distances.argmin(axis=1)] == targets)
    hits = np.concatenate(correct) if correct else np.zeros(0, bool)
    known = labels[: len(hits)]
    recalls = [hits[known == label].mean() for label in present if (known == label).any()]
    return float(np.mean(recalls)) if recalls else float("nan")
