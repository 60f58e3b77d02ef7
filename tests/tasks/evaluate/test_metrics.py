"""The metrics say of a classifier what is true of its answers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from tasks.core.files import write_json
from tasks.evaluate.metrics import Judged, Metrics, measure, read_earlier, read_metrics
from tasks.evaluate.tables import (
    bin_confidences,
    calibration_error,
    chance_error,
    tabulate_predictions,
)
from tasks.runner.errors import InputError

CLASSES = ("cat", "dog", "owl")


JUDGED = Judged(version="v", model="m", test_images="i", test_labels="l")


def measured(
    labels: np.ndarray, probabilities: np.ndarray, *, classes: tuple[str, ...] = CLASSES
) -> Metrics:
    return measure(
        labels, probabilities, classes=classes, confidence=0.95, num_bins=10, sha256=JUDGED
    )


def answers(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_a_perfect_classifier_has_perfect_metrics() -> None:
    labels = np.array([0, 1, 2, 2], np.uint8)
    metrics = measured(labels, np.eye(3, dtype=np.float32)[labels])
    assert metrics.accuracy == metrics.macro_f1 == metrics.top_2_accuracy == 1
    assert metrics.brier_score == 0
    assert metrics.loss == pytest.approx(0, abs=1e-6)
    assert metrics.confusion_matrix == ((1, 0, 0), (0, 1, 0), (0, 0, 2))


def test_the_metrics_are_those_computed_by_hand() -> None:
    labels = np.array([0, 0, 1, 2])
    probabilities = answers([0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.1, 0.8, 0.1], [0.5, 0.4, 0.1])
    metrics = measured(labels, probabilities)
    assert metrics.accuracy == 0.5
    assert metrics.top_2_accuracy == 0.75
    assert metrics.loss == pytest.approx(-np.log([0.8, 0.3, 0.8, 0.1]).mean())
    assert metrics.classes[0].model_dump() == {
        "name": "cat",
        "precision": 0.5,
        "recall": 0.5,
        "f1": 0.5,
        "support": 2,
    }
    assert metrics.confusion_matrix == ((1, 1, 0), (0, 1, 0), (1, 0, 0))
    squares = [0.04 + 0.01 + 0.01, 0.49 + 0.36 + 0.01, 0.01 + 0.04 + 0.01, 0.25 + 0.16 + 0.81]
    assert metrics.brier_score == pytest.approx(np.mean(squares))


def test_the_interval_is_wilsons() -> None:
    """8 of 10: the textbook's 0.490 to 0.943."""
    labels = np.zeros(10, np.uint8)
    probabilities = np.repeat(answers([0.8, 0.1, 0.1], [0.1, 0.8, 0.1]), [8, 2], axis=0)
    metrics = measured(labels, probabilities)
    assert metrics.accuracy_interval == pytest.approx([0.490, 0.943], abs=5e-4)
    assert metrics.interval_method == "Wilson's score"


def test_a_class_without_images_counts_nothing_and_breaks_nothing() -> None:
    labels = np.array([0, 1])
    probabilities = answers([0.8, 0.1, 0.1], [0.1, 0.8, 0.1])
    metrics = measured(labels, probabilities)
    assert metrics.classes[2].model_dump() == {
        "name": "owl",
        "precision": 0,
        "recall": 0,
        "f1": 0,
        "support": 0,
    }


def test_a_model_without_a_right_answer_is_measured() -> None:
    wrong = answers([0.1, 0.9], [0.1, 0.9], [0.9, 0.1])
    metrics = measured(np.array([0, 0, 1]), wrong, classes=("a", "b"))
    assert [row.support for row in metrics.classes] == [2, 1]
    assert metrics.accuracy == 0


def test_a_model_that_is_as_sure_as_it_is_right_has_no_calibration_error() -> None:
    labels = np.array([0, 0, 0, 1])
    bins = bin_confidences(labels, np.repeat(answers([0.75, 0.25]), 4, axis=0), num_bins=10)
    assert bins.to_dict("records") == [
        {"lower": 0.7, "upper": 0.8, "images": 4, "confidence": 0.75, "accuracy": 0.75}
    ]
    assert calibration_error(bins) == 0


def test_the_calibration_error_weighs_each_bin_by_its_images() -> None:
    """Three images at 0.9, all wrong, and one at 0.6, right: (3 × 0.9 + 0.4) / 4."""
    labels = np.array([1, 1, 1, 0])
    probabilities = answers([0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.6, 0.4])
    bins = bin_confidences(labels, probabilities, num_bins=10)
    assert calibration_error(bins) == pytest.approx((3 * 0.9 + 0.4) / 4)


@pytest.mark.parametrize(("classes", "number"), [(3, 20), (5, 50), (10, 100), (10, 1000)])
def test_chance_rarely_gives_a_calibrated_model_a_greater_error(classes: int, number: int) -> None:
    """At 95%, to at most 5% of 400 test sets, and three standard errors."""
    generator = np.random.default_rng(0)
    greater = 0
    for _ in range(400):
        probabilities = softmax(generator.normal(0, 2, (number, classes)), axis=1)
        draws = generator.random((number, 1))
        labels = (probabilities.cumsum(axis=1) < draws).sum(axis=1).clip(max=classes - 1)
        bins = bin_confidences(labels, probabilities, num_bins=15)
        greater += calibration_error(bins) > chance_error(bins, confidence=0.95)
    assert 1 <= greater <= 0.0825 * 400


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_every_image_lies_in_one_bin(number: int, num_bins: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(3), number).astype(np.float32)
    bins = bin_confidences(random.integers(0, 3, number), probabilities, num_bins=num_bins)
    assert bins["images"].sum() == number
    assert (bins["lower"] <= bins["confidence"] + 1e-6).all()
    assert (bins["confidence"] - 1e-6 <= bins["upper"]).all()
    assert 0 <= calibration_error(bins) <= 1


def test_the_table_holds_each_answer_and_every_probability() -> None:
    table = tabulate_predictions(np.array([2], np.uint8), answers([0.2, 0.7, 0.1]), classes=CLASSES)
    assert table.columns.tolist() == [
        "index",
        "label",
        "predicted",
        "confidence",
        "probability: cat",
        "probability: dog",
        "probability: owl",
    ]
    assert table.iloc[0].tolist() == pytest.approx([0, 2, 1, 0.7, 0.2, 0.7, 0.1])


@pytest.mark.parametrize("name", ["accuracy", "macro avg", "weighted avg", "micro avg", "label"])
def test_a_class_may_be_called_like_a_figure(name: str) -> None:
    labels = np.array([0, 1, 2, 2], np.uint8)
    classes = (name, "support", "error")
    metrics = measured(labels, np.eye(3, dtype=np.float32)[labels], classes=classes)
    assert [(row.name, row.support) for row in metrics.classes] == [
        (name, 1),
        ("support", 1),
        ("error", 2),
    ]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    with pytest.raises(InputError, match=r"There is no .*evaluation\.json\. Make it: dvc repro"):
        read_metrics(path)
    metrics = measured(np.array([0, 1]), answers([0.8, 0.1, 0.1], [0.1, 0.8, 0.1]))
    write_json(path, metrics.model_dump(mode="json"))
    assert read_metrics(path) == metrics
    path.write_text("<<<<<<< HEAD\n" + path.read_text("utf-8"), "utf-8")
    with pytest.raises(InputError, match=r"evaluation\.json can't be read .* dvc repro"):
        read_metrics(path)


def test_an_evaluation_of_other_code_is_read_for_what_it_has(tmp_path: Path) -> None:
    """One of today's fields is missing, others are there that today's code doesn't know."""
    path = tmp_path / "evaluation.json"
    metrics = measured(np.array([0, 1]), answers([0.8, 0.1, 0.1], [0.1, 0.8, 0.1]))
    content: dict[str, Any] = metrics.model_dump(mode="json") | {"balanced_accuracy": 0.5}
    del content["macro_f1"]
    for row in content["classes"]:
        row["specificity"] = 1.0
    content["sha256"]["seen"] = "s"
    write_json(path, content)
    with pytest.raises(InputError, match="can't be read"):
        read_metrics(path)
    earlier = read_earlier(path)
    assert earlier is not None
    assert (earlier.accuracy, earlier.sha256) == (metrics.accuracy, metrics.sha256)
    assert [row.name for row in earlier.classes] == list(CLASSES)
    path.write_text("<<<<<<< HEAD\n")
    assert read_earlier(path) is None
