"""What a classifier is worth, in figures: reports/evaluation.json.

A new metric is a field of `Metrics` and its line in `measure`. The gate, the report and `status`
read the same type.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.runner.errors import InputError

# Written to reports/metrics.json, of which `dvc metrics show` and `dvc exp show` make columns.
HEADLINES = ("accuracy", "macro_f1", "loss", "expected_calibration_error", "num_images")


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Judged(_Row, extra="ignore"):
    """What the figures are about: the version of the model, and the SHA-256 of files."""

    version: str  # as `tasks.models.card` tells it
    model: str  # the one that ships
    test_images: str
    test_labels: str
    predictions: str | None = None  # all answers; None in figures of older code

    @property
    def test_set(self) -> tuple[str, str]:
        """Which images and labels the figures are about."""
        return self.test_images, self.test_labels


class ClassMetrics(_Row):
    """One class; all figures are 0 for a class of which there are no images and no answers."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


class Metrics(_Row):
    """A classifier's figures on the test images."""

    num_images: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    interval_confidence: float
    interval_method: Literal["Wilson's score"]
    top_2_accuracy: float
    loss: float
    macro_precision: float
    macro_recall: float
    macro_f1: float
    brier_score: float  # mean square distance between probabilities and truth, 0 to 2
    expected_calibration_error: float
    calibration_error_by_chance: float  # that so few images would give a calibrated classifier, too
    calibration_bins: int
    classes: tuple[ClassMetrics, ...]  # in the order of their numbers
    confusion_matrix: tuple[tuple[int, ...], ...]  # images by true class (rows), answer (columns)
    sha256: Judged


class _Named(BaseModel, extra="allow", frozen=True):
    name: str


class Earlier(BaseModel, extra="allow", frozen=True):
    """What is asked of the figures of a champion or a baseline, which code of any age has written.

    All others are kept as they are: fields of today's `Metrics` may be missing, and there may be
    some that it doesn't have.
    """

    accuracy: float
    accuracy_interval: tuple[float, float]
    classes: tuple[_Named, ...]
    sha256: Judged


def measure(
    labels: np.ndarray,
    probabilities: np.ndarray,
    *,
    classes: tuple[str, ...],
    confidence: float,
    num_bins: int,
    sha256: Judged,
) -> Metrics:
    """The metrics of a classifier that gave (n, classes) probabilities to images of (n,) labels.

    The confidence is that of the interval around the accuracy, and that chance gives no greater
    calibration error to a calibrated classifier; the bins are of that error.
    """
    # Imported late: whoever reads the figures needs none of it.
    from scipy.stats import binomtest
    from sklearn import metrics

    from tasks.evaluate.tables import bin_confidences, calibration_error, chance_error

    every = list(range(len(classes)))
    predicted = probabilities.argmax(axis=1)
    correct = int((predicted == labels).sum())
    interval = binomtest(correct, len(labels)).proportion_ci(confidence, method="wilson")
    distribution = probabilities.astype(np.float64)
    distribution /= distribution.sum(axis=1, keepdims=True)
    top_2_accuracy = 1.0  # of two classes, about which scikit-learn refuses the question
    if len(classes) > 2:
        top_2_accuracy = float(
            metrics.top_k_accuracy_score(labels, distribution, k=2, labels=every)
        )
    rows = _measure_classes(labels, predicted, classes)
    matrix = metrics.confusion_matrix(labels, predicted, labels=every)
    bins = bin_confidences(labels, probabilities, num_bins=num_bins)
    return Metrics(
        num_images=len(labels),
        accuracy=correct / len(labels),
        accuracy_interval=(float(interval.low), float(interval.high)),
        interval_confidence=confidence,
        interval_method="Wilson's score",
        top_2_accuracy=top_2_accuracy,
        loss=float(metrics.log_loss(labels, distribution, labels=every)),
        macro_precision=float(np.mean([row.precision for row in rows])),
        macro_recall=float(np.mean([row.recall for row in rows])),
        macro_f1=float(np.mean([row.f1 for row in rows])),
        brier_score=float(((distribution - np.eye(len(classes))[labels]) ** 2).sum(1).mean()),
        expected_calibration_error=calibration_error(bins),
        calibration_error_by_chance=chance_error(bins, confidence=confidence),
        calibration_bins=num_bins,
        classes=rows,
        confusion_matrix=tuple(map(tuple, matrix.tolist())),
        sha256=sha256,
    )


def _measure_classes(
    labels: np.ndarray, predicted: np.ndarray, classes: tuple[str, ...]
) -> tuple[ClassMetrics, ...]:
    from sklearn.metrics import precision_recall_fscore_support

    options: Any = {"labels": list(range(len(classes))), "zero_division": 0}
    columns: Any = precision_recall_fscore_support(labels, predicted, **options)
    rows = zip(classes, np.transpose(columns).tolist(), strict=True)
    return tuple(
        ClassMetrics(name=name, precision=precision, recall=recall, f1=f1, support=int(support))
        for name, (precision, recall, f1, support) in rows
    )


def read_metrics(path: Path) -> Metrics:
    """Reads a file of metrics; refuses what `evaluate` doesn't write."""
    try:
        return Metrics.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"There is no {path}. Make it: dvc repro") from None
    except (OSError, ValidationError) as error:
        cause = str(error).splitlines()[0]
        raise InputError(
            f"{path} can't be read ({cause}). Make it anew: rm {path}; dvc repro"
        ) from None


def read_earlier(path: Path) -> Earlier | None:
    """Reads a champion's file of metrics; None if that isn't possible."""
    try:
        return Earlier.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
