"""A change is called progress only if chance hardly explains it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import f1_score

from tasks.models.compare import Change, compare, correct_for_number, inferiority_p_value

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
    recall = among.classes["class 0"].recall
    assert recall.verdict == "no clear difference"
    assert recall.p_value == pytest.approx(20 * 2 * 0.5**6)


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


def test_a_class_that_takes_in_the_images_of_others_is_worse_though_it_loses_none_of_its_own() -> (
    None
):
    """One image in each of forty classes is called class 0 now."""
    labels = np.repeat(np.arange(40), 20)
    after = labels.copy()
    after[::20] = 0
    comparison = compare(
        labels, labels, after, classes=tuple(f"class {n}" for n in range(40)), confidence=0.95
    )
    first = comparison.classes["class 0"]
    assert first.recall.verdict == "no clear difference"
    assert first.others.verdict == "worse"
    assert first.others.broken == 39
    assert first.f1 == (1.0, pytest.approx(2 * 20 / (20 + 20 + 39)))
    assert {row.recall.verdict for row in comparison.classes.values()} == {"no clear difference"}


def test_holms_correction_is_that_of_the_textbook() -> None:
    assert correct_for_number([0.04, 0.01, 0.03, 0.005]) == pytest.approx([0.06, 0.03, 0.06, 0.02])
    assert correct_for_number([0.9, 0.8]) == [1, 1]


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=1, max_size=60))
def test_the_figures_are_those_of_scikit_learn_and_scipy(
    answers: list[tuple[int, int, int]],
) -> None:
    labels, before, after = np.array(answers).T
    comparison = compare(labels, before, after, classes=("a", "b", "c"), confidence=0.9)
    change = comparison.overall
    if moved := change.fixed + change.broken:
        test = binomtest(change.fixed, moved)
        interval = np.array(test.proportion_ci(0.9, method="exact"))
        assert change.p_value == pytest.approx(test.pvalue)
        assert change.interval == pytest.approx((2 * interval - 1) * moved / len(labels))
    scores = [
        f1_score(labels, named, labels=[0, 1, 2], average=None, zero_division=0.0)  # pyright: ignore[reportArgumentType]
        for named in (before, after)
    ]
    for number, name in enumerate("abc"):
        if name in comparison.classes:
            expected = [np.asarray(score)[number] for score in scores]
            assert comparison.classes[name].f1 == pytest.approx(expected)


def change_of(fixed: int, broken: int) -> Change:
    return Change(fixed, broken, 0.9, 0.9, (0, 0), 1, "no clear difference")


def test_few_images_do_not_show_that_a_model_is_no_worse() -> None:
    """Where no answer changed, p is the chance that a worse model has none wrong, 0.99^n."""
    assert inferiority_p_value(change_of(0, 0), 298, margin=0.01) > 0.05
    assert inferiority_p_value(change_of(0, 0), 299, margin=0.01) <= 0.05
    assert inferiority_p_value(change_of(0, 0), 99, margin=0.01) == pytest.approx(0.99**99)
    assert inferiority_p_value(change_of(9, 0), 30, margin=0.01) < 0.01


@pytest.mark.parametrize("number", [52, 100, 133, 268, 3000])
@pytest.mark.parametrize("margin", [0.01, 0.02, 0.05])
@pytest.mark.parametrize("fixed", [0.0, 0.05])
def test_a_model_that_is_worse_by_the_margin_is_rarely_called_no_worse(
    number: int, margin: float, fixed: float
) -> None:
    """At 5%, in at most 6% of 4,000 draws: three standard errors of chance."""
    shares = [fixed, fixed + margin, 1 - 2 * fixed - margin]
    drawn = np.random.default_rng(0).multinomial(number, shares, 4000)
    outcomes, times = np.unique(drawn[:, :2], axis=0, return_counts=True)
    passed = [
        inferiority_p_value(change_of(int(fixed), int(broken)), number, margin=margin) <= 0.05
        for fixed, broken in outcomes
    ]
    assert times[passed].sum() <= 0.06 * 4000
