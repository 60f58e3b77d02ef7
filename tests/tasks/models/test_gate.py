"""The gate's verdict is a function of what was measured, and each reason is a sentence."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from tasks.evaluate.metrics import ClassMetrics, Judged, Metrics
from tasks.models.gate import (
    Answers,
    Pair,
    Reason,
    Verdict,
    describe,
    judge,
    pair_up,
    to_markdown,
)
from tasks.models.parameters import GateParameters

CLASSES = ("Coat", "Shirt")
LIMITS = GateParameters(
    min_accuracy=0.8,
    min_recall=0.7,
    max_calibration_error=0.1,
    accepts="better",
    margin=0.02,
    significance=0.05,
    max_f1_loss=0.02,
    promotes="automatically",
    keep=3,
)
NOT_WORSE = LIMITS.model_copy(update={"accepts": "not_worse"})
NO_THRESHOLDS = LIMITS.model_copy(
    update={"min_accuracy": None, "min_recall": None, "max_calibration_error": None}
)
LABELS = np.repeat([0, 1], 100)


def judged(wrong: range | list[int]) -> np.ndarray:
    """The answers of a model that is wrong on some of 100 coats (0 to 99) and 100 shirts."""
    predicted = LABELS.copy()
    predicted[list(wrong)] = 1 - predicted[list(wrong)]
    return predicted


def measured(
    accuracy: float = 0.9,
    low: float = 0.85,
    coat: float = 0.9,
    shirt: float = 0.8,
    error: float = 0.03,
) -> Metrics:
    return Metrics(
        num_images=200,
        accuracy=accuracy,
        accuracy_interval=(low, accuracy + 0.02),
        interval_confidence=0.95,
        interval_method="Wilson's score",
        top_2_accuracy=1.0,
        loss=0.3,
        macro_precision=0.9,
        macro_recall=0.9,
        macro_f1=0.9,
        brier_score=0.1,
        expected_calibration_error=error,
        calibration_error_by_chance=0.05,
        calibration_bins=15,
        classes=tuple(
            ClassMetrics(name=name, precision=0.9, recall=recall, f1=0.9, support=100)
            for name, recall in zip(CLASSES, (coat, shirt), strict=True)
        ),
        confusion_matrix=((90, 10), (20, 80)),
        sha256=Judged(version="new", model="m", test_images="i", test_labels="l"),
    )


def pair_of(
    labels: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    classes: tuple[str, ...] = CLASSES,
) -> Pair:
    return Pair(classes, labels, before, after, known=np.ones(len(labels), bool))


def verdict_on(
    candidate: np.ndarray,
    champion: np.ndarray | None,
    *,
    metrics: Metrics | None = None,
    limits: GateParameters = LIMITS,
    withdrawn: str | None = None,
) -> Verdict:
    return judge(
        "new",
        metrics or measured(),
        None if champion is None else pair_of(LABELS, champion, candidate),
        champion=None if champion is None else "old",
        withdrawn=withdrawn,
        limits=limits,
    )


def against_old(rival: Pair | Reason, limits: GateParameters = LIMITS) -> Verdict:
    return judge("new", measured(), rival, champion="old", withdrawn=None, limits=limits)


def against(verdict: Verdict) -> list[str]:
    return [reason.sentence for reason in verdict.reasons if not reason.holds]


def test_without_a_champion_the_thresholds_decide() -> None:
    verdict = verdict_on(judged(range(20)), None)
    assert verdict.decision == "accepted"
    assert [reason.sentence for reason in verdict.reasons] == [
        "accuracy 0.9000 [0.8500, 0.9200]: the lower end ≥ 0.8000",
        "Shirt recall 0.8000 of 100 images ≥ 0.7000; the least favourable class",
        "expected calibration error 0.0300 ≤ 0.1000 + 0.0500, which chance may add",
        "there is no champion yet: the thresholds decide",
    ]


@pytest.mark.parametrize(
    ("metrics", "sentence"),
    [
        (measured(low=0.79), "accuracy 0.9000 [0.7900, 0.9200]: the lower end < 0.8000"),
        (measured(shirt=0.5), "Shirt recall 0.5000 of 100 images < 0.7000, which chance does not"),
        (measured(error=0.2), "error 0.2000 > 0.1000 + 0.0500"),
    ],
)
def test_a_missed_threshold_is_named_with_both_numbers(metrics: Metrics, sentence: str) -> None:
    verdict = verdict_on(judged([]), None, metrics=metrics)
    assert verdict.decision == "rejected"
    (found,) = against(verdict)
    assert sentence in found


@pytest.mark.parametrize(("number", "support"), [(100, 5), (30, 5), (2, 20)])
def test_chance_alone_rarely_lets_a_recall_be_too_low(number: int, support: int) -> None:
    """Recalls of 0.8 where 0.7 is asked: in at most 5% of 400 draws, and three standard errors."""
    limits = NO_THRESHOLDS.model_copy(update={"min_recall": 0.7})
    generator = np.random.default_rng(0)
    rejected = 0
    for _ in range(400):
        recalls = generator.binomial(support, 0.7, number) / support
        classes = tuple(
            ClassMetrics(name=str(place), precision=1, recall=recall, f1=1, support=support)
            for place, recall in enumerate(recalls.tolist())
        )
        metrics = measured().model_copy(update={"classes": classes})
        rejected += (
            verdict_on(judged([]), None, metrics=metrics, limits=limits).decision != "accepted"
        )
    assert rejected <= 0.0825 * 400


@pytest.mark.parametrize(("number", "support", "bad"), [(100, 10, 100), (10, 10, 7), (30, 5, 20)])
def test_many_classes_that_are_missed_together_are_no_chance(
    number: int, support: int, bad: int
) -> None:
    """None of them alone is worse than chance may make one of so many classes."""
    classes = tuple(
        ClassMetrics(
            name=str(place), precision=1, recall=float(place >= bad), f1=1, support=support
        )
        for place in range(number)
    )
    metrics = measured().model_copy(update={"classes": classes})
    limits = NO_THRESHOLDS.model_copy(update={"min_recall": 0.4})
    champion = judged(range(90, 110))
    (sentence,) = against(verdict_on(judged([]), champion, metrics=metrics, limits=limits))
    assert sentence.startswith(f"{bad} of {number} classes have a recall below 0.4000")


def test_a_limit_asks_for_no_less_than_none() -> None:
    """A first model has to beat guessing unless a minimum of the accuracy is set."""
    guessing = measured(0.52, 0.45)
    for limits in (NO_THRESHOLDS, NO_THRESHOLDS.model_copy(update={"min_recall": 0.1})):
        verdict = verdict_on(judged([]), None, metrics=guessing, limits=limits)
        assert verdict.decision == "rejected"
        assert "the lower end ≤ 0.5000" in describe(verdict)


def test_a_recall_that_chance_explains_is_told() -> None:
    metrics = measured(shirt=0.69)
    sentences = [
        reason.sentence for reason in verdict_on(judged([]), None, metrics=metrics).reasons
    ]
    assert any("0.6900 of 100 images < 0.7000, which chance explains (p = " in s for s in sentences)


def test_what_is_not_a_number_is_rejected() -> None:
    nothing = float("nan")
    metrics = measured(low=nothing, coat=nothing, error=nothing)
    assert len(against(verdict_on(judged([]), None, metrics=metrics))) == 3


def test_each_class_below_the_threshold_is_named() -> None:
    verdict = verdict_on(judged([]), None, metrics=measured(coat=0.1, shirt=0.2))
    assert [sentence.split()[0] for sentence in against(verdict)] == ["Coat", "Shirt"]


def test_with_neither_a_threshold_nor_a_champion_a_model_must_beat_guessing() -> None:
    verdict = verdict_on(judged([]), None, limits=NO_THRESHOLDS)
    assert verdict.decision == "accepted"
    assert "the lower end > 0.5000, which always saying Coat would have" in describe(verdict)
    assert "set gate.min_accuracy in params.yaml" in describe(verdict)
    guessing = verdict_on(judged([]), None, metrics=measured(0.52, 0.45), limits=NO_THRESHOLDS)
    assert guessing.decision == "rejected"
    assert "the lower end ≤ 0.5000" in describe(guessing)


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
    for limits in (LIMITS, NOT_WORSE):
        verdict = against_old(pair_of(labels, champion, candidate, classes), limits)
        (sentence,) = against(verdict)
        assert sentence == (
            "Bag F1 0.8889, the champion's 1.0000: a loss of 0.1111 > 0.0200, which chance doesn't"
            " explain (p = 1.9e-06)"
        )


def test_a_class_of_few_images_has_no_veto_for_what_chance_explains() -> None:
    """One bag of ten is lost: F1 falls by 0.05, as a coin would have it."""
    labels = np.repeat([0, 1, 2], [100, 100, 10])
    champion = labels.copy()
    champion[:30] = 1
    candidate = labels.copy()
    candidate[209] = 0
    verdict = against_old(pair_of(labels, champion, candidate, ("Coat", "Shirt", "Bag")))
    assert verdict.decision == "accepted"
    told = "the least favourable: Bag F1 0.9474, the champion's 1.0000 (p = 0.5)"
    assert told in describe(verdict)


@pytest.mark.parametrize(
    ("wrong", "decision"), [([], "accepted"), ([0], "accepted"), (range(9), "rejected")]
)
def test_a_candidate_that_is_not_worse_is_accepted_where_that_is_asked(
    wrong: list[int], decision: str
) -> None:
    """The champion is right on all of 600; that 2 points aren't lost takes many images."""
    repeated = np.tile(LABELS, 3)
    candidate = repeated.copy()
    candidate[list(wrong)] = 1 - candidate[list(wrong)]
    pair = pair_of(repeated, repeated, candidate)
    verdict = against_old(pair, NOT_WORSE)
    assert verdict.decision == decision
    assert "that it isn't worse by 2 points: p = " in describe(verdict)
    assert against_old(pair).decision == "rejected"
    few = verdict_on(judged([]), judged([]), limits=NOT_WORSE.model_copy(update={"margin": 0.01}))
    assert few.decision == "rejected"


def paired(
    candidate: Answers,
    champion: Answers,
    *,
    seen: list[int] | range = range(0),
    new: list[int] | range = range(0),
) -> Pair | Reason:
    """Two models on 200 images, of which some were seen in training, or are new in the test set."""
    masks = np.zeros((2, len(LABELS)), bool)
    masks[0, list(seen)] = masks[1, list(new)] = True
    return pair_up(LABELS, candidate, champion, seen=masks[0], known=~masks[1])


NEW = Answers(CLASSES, judged([]))
OLD = Answers(CLASSES, judged(range(90, 110)))


def test_what_a_model_has_seen_is_left_out_of_the_comparison_with_numbers() -> None:
    pair = paired(NEW, OLD, seen=range(100), new=range(90, 150))
    assert isinstance(pair, Pair)
    assert pair.labels.tolist() == [1] * 100
    assert (pair.before != pair.labels).sum() == 10
    anew, left = pair.notes
    assert anew == (
        "the test images have changed: the champion was judged anew on the present ones, of which"
        " 90.00% are right"
    )
    assert pair.known.tolist() == [False] * 50 + [True] * 50
    assert left.startswith("100 of 200 test images were left out, on which one of the two models")
    assert left.endswith(": 100 are left")


def test_on_the_images_that_both_test_sets_share_the_two_are_compared_beside_it() -> None:
    """Of the champion's 20 mistakes, 10 are among images that were in its test set."""
    pair = paired(NEW, OLD, new=range(100))
    verdict = against_old(pair)
    assert verdict.decision == "accepted"
    assert describe(verdict).count("on the same 200 images") == 1
    p_value = binomtest(10, 10).pvalue
    assert (
        "on the 100 of these images that the champion's test set had, too: 100.00% right, the"
        f" champion 90.00% (10 gained, 0 lost), p = {p_value:.2g}"
    ) in describe(verdict)
    none = against_old(paired(NEW, OLD, new=range(200)))
    assert "on the 0 of these images" in describe(none)


def test_where_too_few_unseen_images_are_left_nothing_is_compared() -> None:
    obstacle = paired(NEW, OLD, seen=range(171))
    assert isinstance(obstacle, Reason)
    assert "29 are left, fewer than 30: the two can't be compared" in obstacle.sentence
    verdict = against_old(obstacle)
    assert (verdict.decision, verdict.champion) == ("rejected", "old")
    assert isinstance(paired(NEW, OLD, seen=range(170)), Pair)


def test_classes_in_another_order_are_matched_by_name() -> None:
    """The same numbers under the names in another order are other answers."""
    renamed = paired(NEW, Answers(("Shirt", "Coat"), judged([])))
    assert isinstance(renamed, Pair)
    assert (renamed.before == 1 - LABELS).all()
    assert "matched by name" in renamed.notes[0]
    assert against_old(renamed).decision == "accepted"


def test_models_with_other_classes_are_not_compared() -> None:
    obstacle = paired(NEW, Answers(("Coat", "Bag"), judged([])))
    assert isinstance(obstacle, Reason)
    assert "classes differ from the champion's (Coat, Bag)" in obstacle.sentence


def test_a_model_that_was_taken_back_needs_a_person() -> None:
    verdict = verdict_on(judged([]), judged(range(90, 110)), withdrawn="it calls bags shirts")
    assert against(verdict) == ["this very model was taken back before: it calls bags shirts"]


def test_the_page_says_what_changed_in_the_data_and_what_a_decision_is_about() -> None:
    verdict = verdict_on(judged([]), judged(range(90, 110)))
    page = to_markdown(replace(verdict, decision="pending", changes=("test images: 3 came",)))
    assert page.startswith("**Pending**: new, compared with the champion old\n")
    assert "- test images: 3 came" in page
    assert "is new to be the champion?" in page
    assert "pipeline champion decline" in page


def test_the_page_marks_each_reason() -> None:
    page = to_markdown(verdict_on(judged([]), None, metrics=measured(low=0.1)))
    assert page.startswith("**Rejected**: new\n")
    assert "- ✗ accuracy" in page
    assert "- ✓ there is no champion yet" in page


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
    metrics = measured(low=low, coat=coat, shirt=shirt, error=error)
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
