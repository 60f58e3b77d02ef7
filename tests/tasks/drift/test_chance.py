"""Batches of the reference's own kind raise hardly any alarm, whatever their size and kind."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.drift import Kind, count_alarms, draw_sample
from tasks.drift.batch import measure
from tasks.drift.chance import differences_of_means, divergence_of_labels
from tasks.drift.judge import describe_drift, judge_drift
from tasks.drift.parameters import DriftParameters
from tasks.drift.reference import IMAGE_STATISTICS, NUM_BINS, summarize
from tests.conftest import read_parameters, typed

LIMITS: DriftParameters = typed(read_parameters()).drift
# Distances of nothing: chance alone decides.
CHANCE_ALONE = DriftParameters(max_deviation=1e-9, max_divergence=1e-9, false_alarms=0.01)


@pytest.mark.parametrize("kind", ["skewed", "rare"])
@pytest.mark.parametrize(
    ("num_reference", "num_batch", "num_classes"), [(50, 20, 2), (300, 300, 100)]
)
def test_chance_alone_raises_an_alarm_in_one_batch_of_a_hundred_at_most(
    kind: Kind, num_reference: int, num_batch: int, num_classes: int
) -> None:
    """Four alarms in 60 batches have a probability below 0.4% if each has one of 1%."""
    alarms = count_alarms(
        kind,
        num_reference=num_reference,
        num_batch=num_batch,
        num_classes=num_classes,
        limits=CHANCE_ALONE,
        num_batches=60,
    )
    assert alarms <= 3


def test_one_black_pixel_is_no_drift_where_training_images_have_none() -> None:
    training = pd.DataFrame({"mean": [200.0] * 500, "spread": [10.0] * 500, "zero_share": 0.0})
    confidence = np.tile([[0.9, 0.1]], (500, 1))
    reference = summarize(training, confidence)
    assert reference["statistics"]["zero_share"]["deviation"] == 0
    columns = [np.full(20, value) for value in (200.0, 10.0, 0.0, 0.9)]
    columns[2][0] = 1 / 784
    batch = measure(columns, np.zeros(20, np.int64), num_classes=2)
    findings = judge_drift(batch, reference, classes=("a", "b"), limits=LIMITS)
    assert describe_drift(findings) == []


@pytest.mark.parametrize(("num_reference", "num_batch"), [(100, 100), (60_000, 100_000)])
def test_what_chance_explains_of_a_mean_is_what_the_normal_distribution_says(
    num_reference: int, num_batch: int
) -> None:
    """Of even values in 0..1, for a tail of 0.1%: 3.09 standard errors, up to those of sampling."""
    even = np.ones(NUM_BINS, np.int64)
    reference, batch = (
        np.random.default_rng(0).multinomial(number, even / even.sum())
        for number in (num_reference, num_batch)
    )
    low, high = differences_of_means(reference, batch, tail=0.001)
    error = np.sqrt((1 / num_reference + 1 / num_batch) / 12)
    assert high == pytest.approx(3.09 * error, rel=0.15)
    assert low == pytest.approx(-3.09 * error, rel=0.15)


def test_what_chance_explains_of_labels_shrinks_with_the_smaller_sample() -> None:
    few, many, most = (np.full(10, number) for number in (10, 1_000, 10_000))
    assert divergence_of_labels(few, many, tail=0.002) > 0.05
    assert divergence_of_labels(many, few, tail=0.002) > 0.05
    assert divergence_of_labels(many, most, tail=0.002) < 0.002


def test_a_sample_has_the_asked_size_and_statistics_within_their_range() -> None:
    statistics, probabilities = draw_sample("rare", 70, 4, np.random.default_rng(0))
    assert list(statistics.columns) == list(IMAGE_STATISTICS.values())
    assert probabilities.shape == (70, 4)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert summarize(statistics, probabilities)["label_counts"] == list(
        np.bincount(probabilities.argmax(axis=1), minlength=4)
    )
