"""The gate: whether the candidate may become the champion, and why.

A pure function of what was measured; flows/gate.py gives it the files, and promotes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tasks.models.parameters import GateParameters

Decision = Literal["accepted", "rejected", "unchanged"]


@dataclass(frozen=True)
class Judged:
    """What a model made of the test images.

    Attributes:
        classes: their names.
        labels: (n,) the true classes.
        predicted: (n,) the classes that the model gave.
        test_set: SHA-256 of the test images' and labels' files, under their names.
        judged_anew: the test images have changed since, and this is about the present ones.

    """

    classes: tuple[str, ...]
    labels: np.ndarray
    predicted: np.ndarray
    test_set: Mapping[str, str]
    judged_anew: bool = False


@dataclass(frozen=True)
class Reason:
    """One thing that was looked at.

    Attributes:
        holds: whether it speaks for the candidate.
        sentence: what was found and what was asked, with numbers.

    """

    holds: bool
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """What the gate says.

    Attributes:
        decision: "accepted" if every reason holds, else "rejected"; "unchanged" if the candidate
            is the champion.
        version: of the candidate.
        champion: the version that it was compared with, if there is one.
        reasons: all of them, in the order in which they were looked at.

    """

    decision: Decision
    version: str
    champion: str | None
    reasons: tuple[Reason, ...]


def judge(
    version: str,
    metrics: Mapping[str, Any],
    candidate: Judged,
    *,
    champion: tuple[str, Judged] | None,
    withdrawn: str | None,
    limits: GateParameters,
) -> Verdict:
    """Judges a candidate.

    Args:
        version: of the candidate.
        metrics: of the candidate, as in reports/metrics.json.
        candidate: its predictions.
        champion: the champion's version and its predictions; None if there is no champion.
        withdrawn: why this very model was taken back before; None if it wasn't.
        limits: what is asked.

    """
    champion_version = champion[0] if champion else None
    if champion_version == version:
        return unchanged(version)
    reasons = list(_check_thresholds(metrics, limits))
    if champion:
        if not reasons:
            reasons.append(Reason(True, "no threshold is set: the champion alone is the measure"))
        reasons += _compare(candidate, champion[1], limits)
    elif reasons:
        reasons.append(Reason(True, "there is no champion yet: the thresholds decide"))
    else:
        reasons.append(
            Reason(
                False, "there is neither a champion nor a threshold to judge by: set one in gate"
            )
        )
    if withdrawn is not None:
        reasons.append(Reason(False, f"this very model was taken back before: {withdrawn}"))
    accepted = all(reason.holds for reason in reasons)
    return Verdict(
        "accepted" if accepted else "rejected", version, champion_version, tuple(reasons)
    )


def unchanged(version: str) -> Verdict:
    """The verdict on a candidate that is the champion."""
    same = Reason(True, f"the candidate {version} is the champion already")
    return Verdict("unchanged", version, version, (same,))


def _check_thresholds(metrics: Mapping[str, Any], limits: GateParameters) -> Iterator[Reason]:
    if limits.min_accuracy is not None:
        low, high = metrics["accuracy_interval"]
        holds = low >= limits.min_accuracy
        yield Reason(
            holds,
            f"accuracy {metrics['accuracy']:.4f} [{low:.4f}, {high:.4f}]: the lower end"
            f" {_compares(holds, '≥', '<')} {limits.min_accuracy:.4f}",
        )
    if limits.min_recall is not None:
        recalls = {name: row["recall"] for name, row in metrics["classes"].items()}
        lowest = min(recalls, key=recalls.__getitem__)
        # `not >=` also finds what is not a number.
        low = {name: value for name, value in recalls.items() if not value >= limits.min_recall}
        for name in low or [lowest]:
            yield Reason(
                not low,
                f"{name} recall {recalls[name]:.4f} {_compares(not low, '≥', '<')}"
                f" {limits.min_recall:.4f}" + ("" if low else ", the lowest of all classes"),
            )
    if limits.max_calibration_error is not None:
        error = metrics["expected_calibration_error"]
        holds = error <= limits.max_calibration_error
        yield Reason(
            holds,
            f"expected calibration error {error:.4f} {_compares(holds, '≤', '>')}"
            f" {limits.max_calibration_error:.4f}",
        )


def _compare(candidate: Judged, champion: Judged, limits: GateParameters) -> Iterator[Reason]:
    if candidate.classes != champion.classes:
        yield Reason(
            False,
            f"the classes differ from the champion's ({', '.join(champion.classes)}):"
            " the two can't be compared",
        )
        return
    if candidate.test_set != champion.test_set:
        yield Reason(
            False,
            f"the champion was judged on {len(champion.labels):,} other test images, the candidate"
            f" on {len(candidate.labels):,}: the two can't be compared",
        )
        return
    if champion.judged_anew:
        yield Reason(
            True, "the test images have changed: the champion was judged anew on the present ones"
        )
    yield _compare_accuracy(candidate, champion, limits)
    yield from _compare_classes(candidate, champion, limits)


def _compare_accuracy(candidate: Judged, champion: Judged, limits: GateParameters) -> Reason:
    """McNemar's exact test on the images of which one model is right and the other wrong."""
    from scipy.stats import binomtest  # imported late: an unchanged candidate needs none of it

    right = candidate.predicted == candidate.labels
    champion_right = champion.predicted == champion.labels
    gained = int((right & ~champion_right).sum())
    lost = int((~right & champion_right).sum())
    points = 100 * (gained - lost) / max(1, len(right))
    p_value = float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    holds = gained > lost and p_value <= limits.significance
    relation = "better than" if points > 0 else "worse than" if points < 0 else "equal to"
    by = f" by {abs(points):.2f} points" if points else ""
    return Reason(
        holds,
        f"{relation} the champion{by} on the same {len(right):,} images ({gained} gained, {lost}"
        f" lost), p = {p_value:.2g}; asked are a gain and p ≤ {limits.significance:g}",
    )


def _compare_classes(
    candidate: Judged, champion: Judged, limits: GateParameters
) -> Iterator[Reason]:
    before = f1_by_class(champion)
    after = f1_by_class(candidate)
    losses = {name: before[name] - after[name] for name in before}
    greatest = max(losses, key=losses.__getitem__)
    lost = [name for name, loss in losses.items() if loss > limits.max_f1_loss]
    for name in lost:
        yield Reason(
            False,
            f"{name} F1 {after[name]:.4f}, the champion's {before[name]:.4f}: a loss of"
            f" {losses[name]:.4f} > {limits.max_f1_loss:.4f}",
        )
    if not lost:
        yield Reason(
            True,
            f"no class lost more than {limits.max_f1_loss:.4f} of its F1; the worst is {greatest},"
            f" {before[greatest]:.4f} → {after[greatest]:.4f}",
        )


def f1_by_class(judged: Judged) -> dict[str, float]:
    """F1 = 2 · true positives / (true + predicted) of each class; 0 for a class of no image."""
    scores = {}
    for number, name in enumerate(judged.classes):
        true = judged.labels == number
        predicted = judged.predicted == number
        total = int(true.sum() + predicted.sum())
        scores[name] = 2 * int((true & predicted).sum()) / total if total else 0.0
    return scores


def _compares(holds: bool, yes: str, no: str) -> str:
    return yes if holds else no


def describe(verdict: Verdict) -> str:
    """The verdict in one line: why it was rejected, or all that speaks for it."""
    against = [reason.sentence for reason in verdict.reasons if not reason.holds]
    sentences = against or [reason.sentence for reason in verdict.reasons]
    return f"{verdict.decision}: {'; '.join(sentences)}"


def to_markdown(verdict: Verdict) -> str:
    """The verdict as a short page."""
    marks = {True: "✓", False: "✗"}
    compared = f", compared with the champion {verdict.champion}" if verdict.champion else ""
    reasons = [f"- {marks[reason.holds]} {reason.sentence}" for reason in verdict.reasons]
    return "\n".join(
        [f"**{verdict.decision.capitalize()}**: {verdict.version}{compared}", "", *reasons, ""]
    )
