"""A baseline is small, unpacks to what it was, and knows which images it was judged on."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.evaluate.metrics import Earlier, Judged, Metrics, measure
from tasks.report.baseline import Baseline, read_baseline
from tasks.runner.errors import InputError

CLASSES = ("cat", "dog")


def metrics_of(classes: tuple[str, ...] = CLASSES, **sha256: str) -> Metrics:
    hashes = {"version": "v", "model": "a", "test_images": "b", "test_labels": "c"} | sha256
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)
    return measure(
        np.array([0, 1]),
        probabilities,
        classes=classes,
        confidence=0.95,
        num_bins=10,
        sha256=Judged(**hashes),
    )


def baseline_of(predicted: list[int], metrics: Metrics) -> Baseline:
    earlier = Earlier.model_validate(metrics.model_dump())
    return Baseline(origin="here", metrics=earlier, predicted=np.array(predicted))


@given(st.lists(st.integers(0, 255), min_size=1, max_size=300))
def test_a_packed_baseline_unpacks_to_what_it_was(predicted: list[int]) -> None:
    packed = baseline_of(predicted, metrics_of()).model_dump_json()
    assert Baseline.model_validate_json(packed).predicted.tolist() == predicted


def test_ten_thousand_answers_take_a_few_kilobytes() -> None:
    answers = np.random.default_rng(0).integers(0, 10, 10_000).tolist()
    assert len(baseline_of(answers, metrics_of()).model_dump_json()) < 8_000


@pytest.mark.parametrize("name", ["test_images", "test_labels"])
def test_models_judged_on_other_images_or_labels_are_not_compared(name: str) -> None:
    baseline = baseline_of([0, 1], metrics_of())
    assert baseline.is_comparable(metrics_of(model="d"))
    assert not baseline.is_comparable(metrics_of(CLASSES, **{name: "d"}))
    assert not baseline.is_comparable(metrics_of(("dog", "cat")))


def test_what_make_baseline_wrote_is_read_and_anything_else_refused(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    path.write_text("{}")
    assert read_baseline(path) is None
    path.write_text(baseline_of([0, 1], metrics_of()).model_dump_json())
    baseline = read_baseline(path)
    assert baseline is not None
    assert (baseline.origin, baseline.metrics.sha256) == ("here", metrics_of().sha256)
    assert baseline.predicted.tolist() == [0, 1]
    damaged = path.read_text().replace('"predicted":"', '"predicted":"AAAA')
    for content in ('{"origin": "an older version"}', damaged, "<<<<<<< HEAD"):
        path.write_text(content)
        with pytest.raises(InputError, match="Make it anew: pipeline baseline"):
            read_baseline(path)
