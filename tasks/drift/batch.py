"""What images are like, as far as drift is judged by it. Batches add up, in whatever parts."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.drift.reference import HIGHEST, IMAGE_STATISTICS, count_in_bins
from tasks.images.statistics import describe_images

FIGURES = (*IMAGE_STATISTICS, "confidence")


@dataclass(frozen=True)
class Batch:
    """A few numbers about any number of images, and about what a model says of them.

    Attributes:
        sums: (4,) float64, of brightness, contrast, share of zeros and confidence.
        counts: (4, NUM_BINS) int64, of the images in each part of a figure's range.
        label_counts: (classes,) int64, of the predicted labels.

    """

    sums: np.ndarray
    counts: np.ndarray
    label_counts: np.ndarray

    @property
    def num_images(self) -> int:
        """How many images they are."""
        return int(self.label_counts.sum())

    def __add__(self, other: "Batch") -> "Batch":
        return Batch(**{name: mine + vars(other)[name] for name, mine in vars(self).items()})

    def to_json(self) -> dict[str, Any]:
        """Plain values, from which `from_json` makes the same bits."""
        return {name: values.tolist() for name, values in vars(self).items()}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Batch":
        """The batch that gave this content."""
        return cls(**{name: np.array(values) for name, values in content.items()})


def describe_batch(pixels: np.ndarray, probabilities: np.ndarray) -> Batch:
    """Describes (m, height, width, channels) images and their (m, classes) probabilities."""
    statistics = describe_images(pixels)
    columns = [statistics[column].to_numpy() for column in IMAGE_STATISTICS.values()]
    columns.append(probabilities.max(axis=1, initial=0).astype(np.float64))
    return measure(columns, probabilities.argmax(axis=1), num_classes=probabilities.shape[1])


def measure(columns: list[np.ndarray], labels: np.ndarray, *, num_classes: int) -> Batch:
    """Sums up each of FIGURES, (m,) values of m images, and their predicted labels."""
    of_figures = zip(FIGURES, columns, strict=True)
    return Batch(
        np.array([values.sum() for values in columns], np.float64),
        np.array([count_in_bins(values, HIGHEST[figure]) for figure, values in of_figures]),
        np.bincount(labels, minlength=num_classes),
    )
