"""What a classifier is worth: its metrics, its calibration, and a row per image."""

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.metrics import (
    accuracy_score,
    classification_report,
    confusion_matrix,
    log_loss,
    top_k_accuracy_score,
)


def tabulate_predictions(
    labels: np.ndarray, probabilities: np.ndarray, *, classes: tuple[str, ...]
) -> pd.DataFrame:
    """One row per image: index, label, predicted, confidence, and a probability per class.

    Args:
        labels: (n,) the true classes.
        probabilities: (n, classes) float32.

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


def measure(
    labels: np.ndarray,
    probabilities: np.ndarray,
    *,
    classes: tuple[str, ...],
    confidence: float,
) -> dict:
    """The metrics of a classifier, without those that need bins.

    Args:
        labels: (n,) the true classes.
        probabilities: (n, classes).
        classes: their names.
        confidence: of Wilson's score interval around the accuracy.

    """
    predicted = probabilities.argmax(axis=1)
    every = list(range(len(classes)))
    correct = int((predicted == labels).sum())
    interval = binomtest(correct, len(labels)).proportion_ci(confidence, method="wilson")
    report = classification_report(
        labels,
        predicted,
        labels=every,
        target_names=classes,
        output_dict=True,
        zero_division=0,  # pyright: ignore[reportArgumentType] - the stub forgets numbers
    )
    assert isinstance(report, dict)
    macro = report["macro avg"]
    distribution = probabilities.astype(np.float64)
    distribution /= distribution.sum(axis=1, keepdims=True)
    return {
        "num_images": len(labels),
        "accuracy": float(accuracy_score(labels, predicted)),
        "accuracy_interval": [float(interval.low), float(interval.high)],
        "interval_confidence": confidence,
        "interval_method": "Wilson's score",
        # scikit-learn refuses the question where the answer is always yes.
        "top_2_accuracy": 1.0
        if len(classes) == 2
        else float(top_k_accuracy_score(labels, distribution, k=2, labels=every)),
        "loss": float(log_loss(labels, distribution, labels=every)),
        "macro_precision": float(macro["precision"]),
        "macro_recall": float(macro["recall"]),
        "macro_f1": float(macro["f1-score"]),
        "brier_score": float(((distribution - np.eye(len(classes))[labels]) ** 2).sum(1).mean()),
        "classes": {
            name: {
                "precision": float(report[name]["precision"]),
                "recall": float(report[name]["recall"]),
                "f1": float(report[name]["f1-score"]),
                "support": int(report[name]["support"]),
            }
            for name in classes
        },
        "confusion_matrix": confusion_matrix(labels, predicted, labels=every).tolist(),
    }


def bin_confidences(
    labels: np.ndarray, probabilities: np.ndarray, *, num_bins: int
) -> pd.DataFrame:
    """Compares how sure the model is with how often it is right.

    Returns:
        One row per bin that holds images: lower and upper edge (equal steps from 0 to 1), images,
        and their mean confidence and accuracy.

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
