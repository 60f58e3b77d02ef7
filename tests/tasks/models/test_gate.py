"""The gate's verdict is a function of what was measured, and each reason is a sentence."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import f1_score

from tasks.models.gate import Judged, Verdict, describe, f1_by_class, judge, to_markdown
from tasks.models.parameters import GateParameters

CLASSES = ("Coat", "Shirt")
LIMITS = GateParameters(
    min_accuracy=0.8,
    min_recall=0.7,
    max_calibration_error=0.1,
    significance=0.05,
    max_f1_loss=0.02,
    keep=3,
)
NO_THRESHOLDS = LIMITS.model_copy(
    update={"min_accuracy": None, "min_recall": None, "max_calibration_error": None}
)
TEST_SET = {"test_images.npy": "a", "test_labels.npy": "b"}
LABELS = np.repeat([0, 1], 100)


def judged(wrong: range | list[int]) -> Judged:
    """A model that is wrong on some of 100 coats (0 to 99) and 100 shirts (100 to 199)."""
    predicted = LABELS.copy()
    predicted[list(wrong)] = 1 - predicted[list(wrong)]
    return Judged(CLASSES, LABELS, predicted, TEST_SET)


def measured(
    accuracy: float = 0.9, low: float = 0.85, coat: float = 0.9, shirt: float = 0.8
) -> dict:
    return {
        "accuracy": accuracy,
        "accuracy_interval": [low, accuracy + 0.02],
        "expected_calibration_error": 0.03,
        "classes": {"Coat": {"recall": coat}, "Shirt": {"recall": shirt}},
    }


def verdict_on(
    candidate: Judged,
    champion: Judged | None,
    *,
    metrics: dict | None = None,
    limits: GateParameters = LIMITS,
    withdrawn: str | None = None,
) -> Verdict:
    return judge(
        "new",
        metrics or measured(),
        candidate,
        champion=("old", champion) if champion else None,
        withdrawn=withdrawn,
        limits=limits,
    )


def against(verdict: Verdict) -> list[str]:
    return [reason.sentence for reason in verdict.reasons if not reason.holds]


def test_without_a_champion_the_thresholds_decide() -> None:
    verdict = verdict_on(judged(range(20)), None)
    assert verdict.decision == "accepted"
    assert [reason.sentence for reason in verdict.reasons] == [
        "accuracy 0.9000 [0.8500, 0.9200]: the lower end ≥ 0.8000",
        "Shirt recall 0.8000 ≥ 0.7000, the lowest of all classes",
        "expected calibration error 0.0300 ≤ 0.1000",
        "there is no champion yet: the thresholds decide",
    ]


@pytest.mark.parametrize(
    ("metrics", "sentence"),
    [
        (measured(low=0.79), "accuracy 0.9000 [0.7900, 0.9200]: the lower end < 0.8000"),
        (measured(shirt=0.69), "Shirt recall 0.6900 < 0.7000"),
        (measured() | {"expected_calibration_error": 0.2}, "error 0.2000 > 0.1000"),
    ],
)
def test_a_missed_threshold_is_named_with_both_numbers(metrics: dict, sentence: str) -> None:
    verdict = verdict_on(judged([]), None, metrics=metrics)
    assert verdict.decision == "rejected"
    (found,) = against(verdict)
    assert sentence in found


def test_what_is_not_a_number_is_rejected() -> None:
    nothing = float("nan")
    metrics = measured(low=nothing, coat=nothing) | {"expected_calibration_error": nothing}
    assert len(against(verdict_on(judged([]), None, metrics=metrics))) == 3


def test_each_class_below_the_threshold_is_named() -> None:
    verdict = verdict_on(judged([]), None, metrics=measured(coat=0.1, shirt=0.2))
    assert [sentence.split()[0] for sentence in against(verdict)] == ["Coat", "Shirt"]


def test_with_neither_a_threshold_nor_a_champion_nothing_is_accepted() -> None:
    verdict = verdict_on(judged([]), None, limits=NO_THRESHOLDS)
    assert verdict.decision == "rejected"
    assert "neither a champion nor a threshold" in describe(verdict)


def test_without_thresholds_the_champion_is_the_measure() -> None:
    verdict = verdict_on(judged([]), judged(range(90, 110)), limits=NO_THRESHOLDS)
    assert verdict.decision == "accepted"
    assert verdict.reasons[0].sentence == ("no threshold is set: the champion alone is the measure")


def test_a_gain_is_accepted_when_chance_does_not_explain_it() -> None:
    better = verdict_on(judged(range(5)), judged(range(90, 110)))
    assert better.decision == "accepted"
    p_value = binomtest(20, 25).pvalue
    assert any(
        sentence.startswith(
            "better than the champion by 7.50 points on the same 200 images (20 gained, 5 lost),"
            f" p = {p_value:.2g}"
        )
        for sentence in (reason.sentence for reason in better.reasons)
    )
    by_chance = verdict_on(judged(range(95, 98)), judged(range(95, 99)))
    assert by_chance.decision == "rejected"
    assert "p = 1; asked are a gain" in against(by_chance)[0]


def test_an_equal_model_does_not_replace_the_champion() -> None:
    verdict = verdict_on(judged(range(5)), judged(range(5)))
    assert against(verdict)[0].startswith("equal to the champion on the same 200 images")


def test_a_loss_is_rejected_however_sure_it_is() -> None:
    verdict = verdict_on(judged(range(90, 110)), judged([]))
    assert against(verdict)[0].startswith("worse than the champion by 10.00 points")


def test_a_class_that_got_worse_is_named_though_the_whole_got_better() -> None:
    classes = ("Coat", "Shirt", "Bag")
    labels = np.repeat([0, 1, 2], 100)
    champion = labels.copy()
    champion[:60] = 1
    candidate = labels.copy()
    candidate[200:220] = 0
    verdict = judge(
        "new",
        measured(),
        Judged(classes, labels, candidate, TEST_SET),
        champion=("old", Judged(classes, labels, champion, TEST_SET)),
        withdrawn=None,
        limits=LIMITS,
    )
    (sentence,) = against(verdict)
    assert sentence == "Bag F1 0.8889, the champion's 1.0000: a loss of 0.1111 > 0.0200"


def test_models_with_other_test_images_are_not_compared() -> None:
    other = dataclasses.replace(judged([]), test_set={"test_images.npy": "c"})
    verdict = verdict_on(judged([]), other)
    assert "200 other test images" in against(verdict)[0]
    assert not any("p =" in reason.sentence for reason in verdict.reasons)


def test_a_champion_that_was_judged_anew_is_compared_and_that_is_said() -> None:
    anew = dataclasses.replace(judged(range(90, 110)), judged_anew=True)
    verdict = verdict_on(judged([]), anew)
    assert verdict.decision == "accepted"
    assert any("judged anew on the present ones" in reason.sentence for reason in verdict.reasons)


def test_models_with_other_classes_are_not_compared() -> None:
    other = dataclasses.replace(judged([]), classes=("Shirt", "Coat"))
    assert "classes differ from the champion's (Shirt, Coat)" in describe(
        verdict_on(judged([]), other)
    )


def test_the_champion_is_no_candidate() -> None:
    verdict = judge(
        "old", measured(), judged([]), champion=("old", judged([])), withdrawn=None, limits=LIMITS
    )
    assert verdict.decision == "unchanged"


def test_a_model_that_was_taken_back_needs_a_person() -> None:
    verdict = verdict_on(judged([]), judged(range(90, 110)), withdrawn="it calls bags shirts")
    assert against(verdict) == ["this very model was taken back before: it calls bags shirts"]


def test_the_page_marks_each_reason() -> None:
    page = to_markdown(verdict_on(judged([]), None, metrics=measured(low=0.1)))
    assert page.startswith("**Rejected**: new\n")
    assert "- ✗ accuracy" in page
    assert "- ✓ there is no champion yet" in page


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60),
)
def test_f1_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    labels, predicted = np.array(pairs).T
    found = f1_by_class(Judged(("a", "b", "c"), labels, predicted, TEST_SET))
    expected = f1_score(labels, predicted, labels=[0, 1, 2], average=None, zero_division=0.0)  # pyright: ignore[reportArgumentType]
    np.testing.assert_allclose(list(found.values()), np.asarray(expected))


SHARES = st.floats(0, 1) | st.just(float("nan"))
WRONG = st.builds(
    lambda start, number: list(range(start, min(200, start + number))),
    st.integers(0, 199),
    st.integers(0, 60),
)


@given(low=SHARES, coat=SHARES, shirt=SHARES, error=SHARES, wrong=WRONG, champion=WRONG)
def test_a_model_that_falls_short_of_any_limit_is_never_accepted(
    low: float, coat: float, shirt: float, error: float, wrong: list[int], champion: list[int]
) -> None:
    metrics = measured(low=low, coat=coat, shirt=shirt) | {"expected_calibration_error": error}
    good = low >= 0.8 and coat >= 0.7 and shirt >= 0.7 and error <= 0.1
    alone = verdict_on(judged(wrong), None, metrics=metrics)
    assert alone.decision == ("accepted" if good else "rejected")
    compared = verdict_on(judged(wrong), judged(champion), metrics=metrics)
    assert compared.decision == "rejected" or (good and len(wrong) < len(champion))
    for verdict in (alone, compared):
        assert (verdict.decision == "rejected") == bool(against(verdict))


@given(first=WRONG, second=WRONG)
def test_no_two_models_are_each_better_than_the_other(first: list[int], second: list[int]) -> None:
    there = verdict_on(judged(first), judged(second))
    back = verdict_on(judged(second), judged(first))
    assert "rejected" in (there.decision, back.decision)
