"""The answers as tables: a row per image, and a row per bin of confidence."""

import numpy as np
import pandas as pd
from scipy.special import ndtri


def tabulate_predictions(
    labels: np.ndarray, probabilities: np.ndarray, *, classes: tuple[str, ...]
) -> pd.DataFrame:
    """One row per image: index, label, predicted, confidence, and a probability per class.

    From the (n,) true classes and (n, classes) float32 probabilities.
    """
    table = pd.DataFrame(
        {
            "index": np.arange(len(labels)),
            "label": labels,
            "predicted": probabilities.argmax(axis=1).astype(labels.dtype),
            "confidence": probabilities.max(axis=1),
        }
    )
    columns = pd.DataFrame(probabilities, columns=[f"probability: {name}" for name in classes])
    return pd.concat([table, columns], axis=1)


def bin_confidences(
    labels: np.ndarray, probabilities: np.ndarray, *, num_bins: int
) -> pd.DataFrame:
    """Compares how sure the model is with how often it is right.

    One row per bin that holds images: lower and upper edge (equal steps from 0 to 1), images, and
    their mean confidence and accuracy.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    table = pd.DataFrame(
        {
            "bin": np.minimum((confidence * num_bins).astype(int), num_bins - 1),
            "confidence": confidence,
            "accuracy": (probabilities.argmax(axis=1) == labels).astype(np.float64),
        }
    )
    bins = table.groupby("bin").agg(
        images=("confidence", "size"),
        confidence=("confidence", "mean"),
        accuracy=("accuracy", "mean"),
    )
    edges = np.arange(num_bins + 1) / num_bins
    bins.insert(0, "lower", edges[bins.index])
    bins.insert(1, "upper", edges[bins.index + 1])
    return bins.reset_index(drop=True)


def calibration_error(bins: pd.DataFrame) -> float:
    """Expected calibration error: the mean gap between confidence and accuracy, over the images.

    Source: Guo et al., On Calibration of Modern Neural Networks, https://arxiv.org/abs/1706.04599.
    """
    gaps = (bins["confidence"] - bins["accuracy"]).abs()
    return float(np.average(gaps, weights=bins["images"]))


def chance_error(bins: pd.DataFrame, *, confidence: float) -> float:
    """The calibration error that chance alone gives a calibrated model, seldom more.

    Few images in a bin are never right as often as the model is sure. Whatever the gaps are, chance
    adds no more than this to their mean, but for 1 - confidence of all test sets.
    """
    deviations = np.sqrt(bins["confidence"] * (1 - bins["confidence"]) * bins["images"])
    shares = deviations / bins["images"].sum()  # of each bin's gap, half-normal by its images
    mean = np.sqrt(2 / np.pi) * shares.sum()
    return float(mean + ndtri(confidence) * np.sqrt((1 - 2 / np.pi) * np.square(shares).sum()))
