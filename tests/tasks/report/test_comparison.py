"""A change is called progress only if chance hardly explains it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.report.comparison import compare, is_comparable, pack_baseline, unpack_predicted

CLASSES = ("cat", "dog")


def models(*, fixed: int, broken: int, kept: int = 80) -> tuple[np.ndarray, ...]:
    """Labels, the answers before and the answers now, all labels 0."""
    labels = np.zeros(fixed + broken + kept, np.uint8)
    before, after = labels.copy(), labels.copy()
    before[:fixed] = 1
    after[fixed : fixed + broken] = 1
    return labels, before, after


def test_a_few_more_right_than_wrong_is_no_clear_difference() -> None:
    change = compare(*models(fixed=12, broken=8), classes=CLASSES, confidence=0.95).overall
    assert change.verdict == "no clear difference"
    assert change.p_value == pytest.approx(0.5034, abs=1e-4)  # 2 × P(X ≥ 12), X ~ B(20, 1/2)
    low, high = change.interval
    assert low < 0 < high


@pytest.mark.parametrize(("fixed", "broken", "verdict"), [(18, 2, "better"), (2, 18, "worse")])
def test_a_lopsided_change_is_a_difference(fixed: int, broken: int, verdict: str) -> None:
    change = compare(*models(fixed=fixed, broken=broken), classes=CLASSES, confidence=0.95).overall
    assert change.verdict == verdict
    assert change.p_value == pytest.approx(0.0004025, rel=1e-3)  # 2 × P(X ≥ 18), X ~ B(20, 1/2)
    assert (change.interval[0] > 0) == (verdict == "better")


def test_the_same_answers_are_no_change() -> None:
    labels, before, _ = models(fixed=3, broken=0)
    comparison = compare(labels, before, before, classes=CLASSES, confidence=0.95)
    assert comparison.overall.verdict == "the same answers"
    assert comparison.overall.p_value == 1
    assert comparison.overall.interval == (0, 0)


def test_other_wrong_answers_are_not_the_same_answers() -> None:
    labels = np.zeros(3, np.uint8)
    before, after = np.array([1, 0, 0]), np.array([2, 0, 0])
    comparison = compare(labels, before, after, classes=("a", "b", "c"), confidence=0.95)
    assert comparison.overall.verdict == "no clear difference"


def test_among_many_unchanged_classes_none_is_called_changed_for_one_lucky_p_value() -> None:
    """6 to 0 in one class of twenty: p = 0.03 alone, but 0.6 among twenty."""
    labels = np.repeat(np.arange(20), 20)
    before, after = labels.copy(), labels.copy()
    before[:6] = 19
    alone = compare(labels[:20], before[:20], after[:20], classes=("a",) * 20, confidence=0.95)
    assert alone.overall.verdict == "better"
    among = compare(
        labels, before, after, classes=tuple(f"class {n}" for n in range(20)), confidence=0.95
    )
    assert among.classes["class 0"].verdict == "no clear difference"
    assert among.classes["class 0"].p_value == pytest.approx(20 * 2 * 0.5**6)


def test_a_class_without_images_is_left_out() -> None:
    comparison = compare(*models(fixed=1, broken=1), classes=CLASSES, confidence=0.95)
    assert list(comparison.classes) == ["cat"]


def test_the_changed_images_are_named() -> None:
    comparison = compare(*models(fixed=2, broken=1), classes=CLASSES, confidence=0.95)
    assert comparison.fixed.tolist() == [0, 1]
    assert comparison.broken.tolist() == [2]


def test_noise_is_rarely_called_a_difference() -> None:
    """Two models of equal quality: at most 5% of the comparisons claim one (here: of 400)."""
    random = np.random.default_rng(0)
    labels = np.zeros(500, np.uint8)
    claims = 0
    for _ in range(400):
        before, after = (random.random((2, 500)) < 0.1).astype(np.uint8)
        change = compare(labels, before, after, classes=CLASSES, confidence=0.95).overall
        claims += change.verdict != "no clear difference"
    assert claims <= 0.05 * 400


@given(st.lists(st.integers(0, 255), min_size=1, max_size=300))
def test_a_packed_baseline_unpacks_to_what_it_was(predicted: list[int]) -> None:
    baseline = pack_baseline({}, np.array(predicted), origin="commit 1234567")
    assert unpack_predicted(baseline).tolist() == predicted


def test_ten_thousand_answers_take_a_few_kilobytes() -> None:
    answers = np.random.default_rng(0).integers(0, 10, 10_000)
    baseline = pack_baseline({}, answers, origin="commit 1234567")
    assert len(str(baseline["predicted"])) < 7_000


@pytest.mark.parametrize("name", ["test_images", "test_labels"])
def test_models_judged_on_other_images_or_labels_are_not_compared(name: str) -> None:
    hashes = {"model": "a", "test_images": "b", "test_labels": "c"}
    metrics = {"sha256": hashes, "classes": {"cat": {}}}
    baseline = pack_baseline(metrics, np.zeros(1), origin="commit 1234567")
    assert is_comparable(baseline, metrics)
    assert is_comparable(baseline, metrics | {"sha256": hashes | {"model": "d"}})
    assert not is_comparable(baseline, metrics | {"sha256": hashes | {name: "d"}})
    assert not is_comparable(baseline, metrics | {"classes": {"dog": {}}})
