"""What a model's training images are like: kept beside it, so that later ones are compared."""

from typing import TypedDict

import numpy as np
import pandas as pd

from tasks.core import paths

REFERENCE_NAME = paths.REFERENCE.name

# The names that people read, and those of the columns of `describe_images`.
IMAGE_STATISTICS = {"brightness": "mean", "contrast": "spread", "zero_share": "zero_share"}

# The highest value of each statistic; the lowest is 0. All are bounded, so that counts in bins hold
# their rare values too, of which a mean and a deviation know nothing.
HIGHEST = {"brightness": 255.0, "contrast": 127.5, "zero_share": 1.0, "confidence": 1.0}
NUM_BINS = 256


class Spread(TypedDict):
    """Of one statistic over all images; counts are those of NUM_BINS equal parts of its range."""

    mean: float
    deviation: float
    counts: list[int]


class Reference(TypedDict):
    """What a batch is compared with: training images, and answers to images held out of training.

    Attributes:
        statistics: brightness, contrast and zero_share of the former, confidence in the latter.
        label_counts: of the labels predicted for the latter, in the order of the classes.

    """

    statistics: dict[str, Spread]
    label_counts: list[int]


def summarize(statistics: pd.DataFrame, probabilities: np.ndarray) -> Reference:
    """Summarizes training images, and a model's predictions on images that it wasn't trained on.

    Args:
        statistics: of each training image, as `describe_images` gives them.
        probabilities: (m, classes) float32.

    """
    columns = {name: statistics[column].to_numpy() for name, column in IMAGE_STATISTICS.items()}
    columns["confidence"] = probabilities.max(axis=1).astype(np.float64)
    labels = np.bincount(probabilities.argmax(axis=1), minlength=probabilities.shape[1])
    return {
        "statistics": {
            name: {
                "mean": float(values.mean()),
                "deviation": float(values.std()),
                "counts": count_in_bins(values, HIGHEST[name]).tolist(),
            }
            for name, values in columns.items()
        },
        "label_counts": labels.tolist(),
    }


def count_in_bins(values: np.ndarray, highest: float) -> np.ndarray:
    """How many of some values, in 0..highest, lie in each of NUM_BINS equal parts: int64."""
    bins = np.minimum((values * (NUM_BINS / highest)).astype(np.int64), NUM_BINS - 1)
    return np.bincount(bins, minlength=NUM_BINS)


def smooth_shares(counts: np.ndarray) -> np.ndarray:
    """Shares along the last axis, with one more of each class: a share of 0 diverges infinitely."""
    return (counts + 1) / (counts + 1).sum(axis=-1, keepdims=True)
