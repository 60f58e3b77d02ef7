"""Limits that the images pass with some room, and a recipe that fits their number."""

import math

import numpy as np
import pandas as pd
from scipy.stats import binomtest, entropy

from tasks.propose.sections import Commented
from tasks.validate.labels import look_at_labels
from tasks.validate.verdict import Splits, tabulate_classes, tabulate_images, tabulate_splits

# How much further than what was found a limit lies.
_ROOM = 1.5
# Steps in which the network of this project learns its data; more hardly help.
_STEPS = 900
# Between the largest and the smallest class.
_EVEN = 1.1
# That of the gate's interval.
_CONFIDENCE = 0.95
_BATCH_SIZES = (16, 32, 64, 128, 256)


def propose_limits(splits: Splits, *, classes: tuple[str, ...]) -> tuple[Commented, float]:
    """The section validate, with what was found; the nearest mean image's recall in the test."""
    images = tabulate_images(splits)
    even = (1 / len(classes),) * len(classes)
    table = tabulate_classes(images, classes=classes, shares=even)
    whole = tabulate_splits(splits)
    recall = whole.set_index("split")["centroid_recall"]
    _, accepted = look_at_labels(splits["train"], num_classes=len(classes), seed=0)
    section = {
        **_limit_shares(table),
        **_limit_images(images, table["brightness"]),
        "max_constant_pixels": (
            constant := int(whole["constant_pixels"].max()),
            f"with one value, not 0, in all images of a split; {constant} found",
        ),
        "min_centroid_recall": (
            round_down(float(recall.min()) * 0.8, 2),
            f"nearest to their class's mean; {recall.min():.2f} found, {even[0]:.2f} if shuffled",
        ),
        "seed": (0, ""),
        "accepted_labels": (
            accepted.model_dump(),
            f"as found: {sum(accepted.suspected):,} look like another class",
        ),
    }
    return section, float(recall["test"])


def _limit_shares(table: pd.DataFrame) -> Commented:
    counts = table.groupby("label")["count"].sum().to_numpy()
    is_even = bool(counts.max() <= _EVEN * counts.min())
    shares = (1 / len(counts),) * len(counts) if is_even else round_shares(counts)
    found = [group["share"].to_numpy() for _, group in table.groupby("split")]
    deviation = max(float(np.abs(of_split - shares).max()) for of_split in found)
    divergence = max(float(entropy(of_split, shares)) for of_split in found)
    return {
        "shares": (None if is_even else shares, "of the classes; null expects even shares"),
        "share_tolerance": (_leave_room(deviation, 0.01, 0.99), f"{deviation:.2%} found"),
        "max_divergence": (
            _leave_room(divergence, 0.02, math.inf),
            f"Kullback-Leibler, in nats; {divergence:.4f} found",
        ),
    }


def _limit_images(images: pd.DataFrame, brightness: pd.Series) -> Commented:
    by_split = images.groupby("split")
    duplicates, leaked = (
        float(by_split[column].agg(lambda copies: (copies > 0).mean()).max())
        for column in ("earlier_copies", "training_copies")
    )
    zeros = max(0.0, round_down(float(images["zero_share"].quantile(0.05)) / 2, 2))
    without = float(by_split["zero_share"].agg(lambda share: (share < zeros).mean()).max())
    spread = float(images["spread"].min())
    blank = "; some images are blank" if spread == 0 else ""
    lowest, highest = int(images["minimum"].min()), int(images["maximum"].max())
    reached = int(by_split["maximum"].max().min())
    dimmest, brightest = float(brightness.min()), float(brightness.max())
    return {
        "pixel_minimum": (int(lowest / _ROOM), f"{lowest} found"),
        "pixel_maximum": (min(255, math.ceil(highest * _ROOM)), f"{highest} found"),
        "min_highest": (
            math.ceil(reached / _ROOM),
            f"in each split, some image reaches it; {reached} found",
        ),
        "min_spread": (
            round_down(spread / _ROOM, 2),
            f"standard deviation of the pixels of one image; {spread:.1f} found{blank}",
        ),
        "min_zero_share": (zeros, "of an image's pixels; half of what 95% of the images have"),
        "max_share_without_zeros": (
            _leave_room(without, 0.01, 1.0),
            f"images that may have fewer; {without:.2%} found",
        ),
        "class_brightness": (
            [round_down(dimmest / _ROOM, 0), min(255.0, round_up(brightest * _ROOM, 0))],
            f"mean pixel of a class; {dimmest:.0f} to {brightest:.0f} found",
        ),
        "max_duplicate_share": (
            _leave_room(duplicates, 0.001, 1.0),
            f"images that repeat another of their split; {duplicates:.2%} found; a warning",
        ),
        "max_leaked_share": (
            round_up(leaked, 4),
            f"test images that are training images, too; {leaked:.2%} found"
            + ("; better remove them" if leaked else ""),
        ),
    }


def _leave_room(found: float, lowest: float, highest: float) -> float:
    return min(highest, max(lowest, round_up(found * _ROOM, 3)))


def propose_recipe(labels: np.ndarray) -> Commented:
    """What depends, in the section train, on the training images' (n,) labels."""
    size = max(size for size in _BATCH_SIZES if size <= max(_BATCH_SIZES[0], len(labels) / 32))
    epochs = math.ceil(_STEPS / max(1, len(labels) // size))
    counts = np.unique(labels, return_counts=True)[1]
    ratio = counts.max() / counts.min()
    return {
        "epochs": (min(max(epochs, 4), 60), f"at most; about {_STEPS} steps, but 4 to 60 epochs"),
        "batch_size": (size, ""),
        "class_weights": (
            "balanced" if ratio > _ROOM else "none",
            f"none or balanced; the largest class is {ratio:.1f} times the smallest",
        ),
        "flip": (False, "true if an image and its mirror image are of one class"),
        "mirror": (
            False,
            "as flip: the model that ships averages each image with its mirror image",
        ),
    }


def propose_gate(labels: np.ndarray, *, centroid_recall: float) -> Commented:
    """What a first model must reach: half as many mistakes as the best of two that learn nothing.

    These are the guess of the most frequent class, and the class of the nearest mean image, whose
    recall on the test images, with their (n,) labels, is given. The gate compares the lower end of
    an interval around the accuracy, so that this is what is set.
    """
    number = len(labels)
    simple = max(np.unique_counts(labels).counts.max() / number, np.nan_to_num(centroid_recall))
    right = min(round(number * (1 + simple) / 2), number - 1)
    lowest = binomtest(right, number).proportion_ci(_CONFIDENCE, method="wilson").low
    return {
        "min_accuracy": (
            round_down(float(lowest), 2),
            f"of the interval's lower end; half the mistakes of a guess that is {simple:.0%} right",
        ),
        "min_recall": (None, "of every class; null asks for nothing: set what you need"),
        "max_calibration_error": (None, "null asks for nothing"),
    }


def round_shares(counts: np.ndarray) -> tuple[float, ...]:
    """The share of each count, in a few digits that still sum to 1."""
    total = int(counts.sum())
    shares = [round(count / total, 6) for count in counts.tolist()]
    largest = shares.index(max(shares))
    shares[largest] = round(1 - sum(shares[:largest]) - sum(shares[largest + 1 :]), 6)
    return tuple(shares)


def round_up(value: float, digits: int) -> float:
    """The lowest number of so many digits that isn't below `value`."""
    return math.ceil(value * 10**digits) / 10**digits


def round_down(value: float, digits: int) -> float:
    """The highest number of so many digits that isn't above `value`."""
    return math.floor(value * 10**digits) / 10**digits
