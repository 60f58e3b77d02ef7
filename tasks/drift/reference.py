"""What a model's training images are like: kept beside it, so that later ones are compared."""

from typing import TypedDict

import numpy as np
import pandas as pd

REFERENCE_NAME = "reference.json"

# The names that people read, and those of the columns of `describe_images`.
IMAGE_STATISTICS = {"brightness": "mean", "contrast": "spread", "zero_share": "zero_share"}


class Spread(TypedDict):
    """Of one statistic over all images."""

    mean: float
    deviation: float


class Reference(TypedDict):
    """What a batch is compared with.

    Attributes:
        num_images: training images that the statistics of the pixels are about.
        num_predictions: images, held out of training, that those of the predictions are about.
        statistics: brightness, contrast and zero_share of an image, and the model's confidence.
        label_shares: of the predicted labels, in the order of the classes.

    """

    num_images: int
    num_predictions: int
    statistics: dict[str, Spread]
    label_shares: list[float]


def summarize(statistics: pd.DataFrame, probabilities: np.ndarray) -> Reference:
    """Summarizes training images, and a model's predictions on images that it wasn't trained on.

    Args:
        statistics: of each training image, as `describe_images` gives them.
        probabilities: (m, classes) float32.

    """
    columns = {name: statistics[column].to_numpy() for name, column in IMAGE_STATISTICS.items()}
    columns["confidence"] = probabilities.max(axis=1).astype(np.float64)
    counts = np.bincount(probabilities.argmax(axis=1), minlength=probabilities.shape[1])
    # One image more per class: no share is 0, which would make any divergence infinite.
    shares = (counts + 1) / (counts + 1).sum()
    return {
        "num_images": len(statistics),
        "num_predictions": len(probabilities),
        "statistics": {
            name: {"mean": float(values.mean()), "deviation": float(values.std())}
            for name, values in columns.items()
        },
        "label_shares": [float(share) for share in shares],
    }
