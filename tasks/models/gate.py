"""The gate: whether the candidate may become the champion, and why.

A pure function of what was measured; tasks/models/decide.py gives it the files, and promotes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy  # its parts are imported when they are used

from tasks.evaluate.metrics import ClassMetrics, Metrics
from tasks.models.compare import (
    Change,
    ClassChange,
    compare,
    correct_for_number,
    inferiority_p_value,
)
from tasks.models.parameters import GateParameters

Decision = Literal["accepted", "pending", "rejected", "unchanged"]

# Where a person is to decide: what about, and how.
DECISION = (
    "**Somebody is waited for**: is {version} to be the champion? The gate has accepted it. It is"
    " kept until a newer one is accepted. In Prefect's interface, run the deployment"
    " champion/promote or champion/decline; in a terminal, `pipeline champion promote --because"
    " REASON` or `pipeline champion decline --because REASON`."
)
# Of a test set of which a part was left out, at least as many images must be left.
FEWEST_UNSEEN = 30
_SHOWN = 10


@dataclass(frozen=True)
class Answers:
    """What a model made of the test images."""

    classes: tuple[str, ...]
    predicted: np.ndarray  # (n,) positions in `classes`


@dataclass(frozen=True)
class Pair:
    """The candidate and the champion on the same images."""

    classes: tuple[str, ...]
    labels: np.ndarray  # (n,) the true classes
    before: np.ndarray  # (n,) the classes that the champion named
    after: np.ndarray  # (n,) those that the candidate named
    known: np.ndarray  # (n,) bool, those that the champion was judged on when it was promoted, too
    notes: tuple[str, ...] = ()  # what a reader of the comparison must know


@dataclass(frozen=True)
class Reason:
    """One thing that was looked at."""

    holds: bool  # whether it speaks for the candidate
    sentence: str  # what was found and what was asked, with numbers


@dataclass(frozen=True)
class Verdict:
    """What the gate says.

    Attributes:
        decision: "accepted" if every reason holds, or "pending" if a person is then to decide;
            else "rejected"; "unchanged" if the candidate is the champion.
        champion: the version that it was compared with, if there is one.
        reasons: all of them, in the order in which they were looked at.
        changes: how the images differ from those of the champion's promotion.

    """

    decision: Decision
    version: str
    champion: str | None
    reasons: tuple[Reason, ...]
    changes: tuple[str, ...] = ()


def pair_up(
    labels: np.ndarray,
    candidate: Answers,
    champion: Answers,
    *,
    seen: np.ndarray,
    known: np.ndarray,
) -> Pair | Reason:
    """Puts two models side by side, on the images that neither was trained on.

    Where they can't be compared, it gives the reason why, which speaks against the candidate: a
    person decides.

    Args:
        labels: (n,) the true classes, positions in the candidate's classes.
        champion: its answers to the same images; its classes may stand in another order.
        seen: (n,) bool, the images that one of them was trained on.
        known: (n,) bool, the images that the champion was judged on when it was promoted, too.

    """
    if set(candidate.classes) != set(champion.classes):
        return incomparable(
            f"the classes differ from the champion's ({', '.join(champion.classes)})"
        )
    notes = []
    if candidate.classes != champion.classes:
        notes.append("the champion has the classes in another order: they were matched by name")
    numbers = np.array([candidate.classes.index(name) for name in champion.classes])
    before = numbers[champion.predicted]
    if not known.all():
        notes.append(
            "the test images have changed: the champion was judged anew on the present ones, of"
            f" which {np.mean(before == labels):.2%} are right"
        )
    unseen = ~seen
    if seen.any():
        left = (
            f"{int(seen.sum()):,} of {len(seen):,} test images were left out, on which one of the"
            f" two models was trained: {int(unseen.sum()):,} are left"
        )
        if unseen.sum() < FEWEST_UNSEEN:
            return incomparable(f"{left}, fewer than {FEWEST_UNSEEN}")
        notes.append(left)
    return Pair(
        classes=candidate.classes,
        labels=labels[unseen],
        before=before[unseen],
        after=candidate.predicted[unseen],
        known=known[unseen],
        notes=tuple(notes),
    )


def incomparable(why: str) -> Reason:
    """The reason against a candidate that can't be judged by the champion."""
    return Reason(False, f"{why}: the two can't be compared")


def judge(
    version: str,
    metrics: Metrics,
    rival: Pair | Reason | None,
    *,
    champion: str | None,
    withdrawn: str | None,
    limits: GateParameters,
) -> Verdict:
    """Judges a candidate.

    The rival is the comparison with the champion, or why there is none, None without a champion;
    `withdrawn` is why this very model was taken back before, None if it wasn't.
    """
    reasons = list(_check_thresholds(metrics, limits))
    if isinstance(rival, Pair):
        if not reasons:
            reasons.append(Reason(True, "no threshold is set: the champion alone is the measure"))
        reasons += [Reason(True, note) for note in rival.notes]
        reasons += _compare(rival, limits)
    elif rival:
        reasons.append(rival)
    else:
        if reasons:
            reasons.append(Reason(True, "there is no champion yet: the thresholds decide"))
        if limits.min_accuracy is None:
            reasons.append(_compare_with_guessing(metrics))
    if withdrawn is not None:
        reasons.append(Reason(False, f"this very model was taken back before: {withdrawn}"))
    decision = "accepted" if all(reason.holds for reason in reasons) else "rejected"
    return Verdict(decision, version, champion, tuple(reasons))


def _check_thresholds(metrics: Metrics, limits: GateParameters) -> Iterator[Reason]:
    # `>=` and `<=` don't hold for what isn't a number.
    if limits.min_accuracy is not None:
        low, high = metrics.accuracy_interval
        holds = low >= limits.min_accuracy
        yield Reason(
            holds,
            f"accuracy {metrics.accuracy:.4f} [{low:.4f}, {high:.4f}]: the lower end"
            f" {'≥' if holds else '<'} {limits.min_accuracy:.4f}",
        )
    if limits.min_recall is not None:
        yield from _check_recalls(metrics.classes, limits.min_recall, limits.significance)
    if limits.max_calibration_error is not None:
        error, chance = metrics.expected_calibration_error, metrics.calibration_error_by_chance
        holds = error <= limits.max_calibration_error + chance
        yield Reason(
            holds,
            f"expected calibration error {error:.4f} {'≤' if holds else '>'}"
            f" {limits.max_calibration_error:.4f} + {chance:.4f}, which chance may add",
        )


def _check_recalls(
    classes: Sequence[ClassMetrics], asked: float, significance: float
) -> Iterator[Reason]:
    """A recall is too low if chance doesn't explain it, corrected for the number of classes."""
    alone = [
        float(scipy.special.bdtr(np.rint(row.recall * row.support), row.support, asked))
        for row in classes
    ]
    p_values = correct_for_number(alone)
    # Fisher's: many classes that miss a little are no chance, though each alone may be.
    together = float(
        scipy.special.chdtrc(2 * len(alone), -2 * np.log(np.maximum(alone, 1e-300)).sum())
    )
    if together <= significance < min(p_values):
        below = [row.name for row in classes if row.recall < asked]
        yield Reason(
            False,
            f"{len(below)} of {len(classes)} classes have a recall below {asked:.4f}, which chance"
            f" does not explain together (p = {together:.2g}): {', '.join(below[:_SHOWN])}"
            + (" …" if len(below) > _SHOWN else ""),
        )
        return
    found = sorted(zip(p_values, classes, strict=True), key=lambda pair: (pair[0], pair[1].recall))
    missed = [(p_value, row) for p_value, row in found if not p_value > significance]
    for p_value, row in missed or found[:1]:
        sentence = f"{row.name} recall {row.recall:.4f} of {row.support:,} images"
        sentence += f" {'≥' if row.recall >= asked else '<'} {asked:.4f}"
        if row.recall < asked:
            sentence += f", which chance {'does not explain' if missed else 'explains'}"
            sentence += f" (p = {p_value:.2g})"
        yield Reason(not missed, sentence if missed else f"{sentence}; the least favourable class")


def _compare_with_guessing(metrics: Metrics) -> Reason:
    """The least that a first model must do where no threshold is set."""
    low, high = metrics.accuracy_interval
    commonest = max(metrics.classes, key=lambda row: row.support)
    guessed = commonest.support / metrics.num_images
    holds = low > guessed
    return Reason(
        holds,
        "there is neither a champion nor gate.min_accuracy, so that guessing is to be beaten:"
        f" accuracy {metrics.accuracy:.4f} [{low:.4f}, {high:.4f}], the lower end"
        f" {'>' if holds else '≤'} {guessed:.4f}, which always saying {commonest.name} would have."
        " To ask for more, set gate.min_accuracy in params.yaml",
    )


def _compare(pair: Pair, limits: GateParameters) -> Iterator[Reason]:
    comparison = compare(
        pair.labels,
        pair.before,
        pair.after,
        classes=pair.classes,
        confidence=1 - limits.significance,
    )
    yield _compare_accuracy(comparison.overall, len(pair.labels), limits)
    if not pair.known.all():
        yield _compare_known(pair)
    yield from _compare_classes(comparison.classes, limits)


def _compare_accuracy(change: Change, number: int, limits: GateParameters) -> Reason:
    gain = 100 * (change.fixed - change.broken) / number
    relation = "better than" if gain > 0 else "worse than" if gain < 0 else "equal to"
    found = (
        f"{relation} the champion{f' by {abs(gain):.2f} points' if gain else ''} on the same"
        f" {number:,} images ({change.fixed} gained, {change.broken} lost), p ="
        f" {change.p_value:.2g}"
    )
    if limits.accepts == "better":
        return Reason(
            change.verdict == "better", f"{found}; asked are a gain and p ≤ {limits.significance:g}"
        )
    p_value = inferiority_p_value(change, number, margin=limits.margin)
    return Reason(
        p_value <= limits.significance,
        f"{found}; that it isn't worse by {100 * limits.margin:g} points: p = {p_value:.2g},"
        f" asked is p ≤ {limits.significance:g}",
    )


def _compare_known(pair: Pair) -> Reason:
    """What became of the images that both test sets share: for the reader, not for the verdict."""
    labels, before, after = (
        column[pair.known] for column in (pair.labels, pair.before, pair.after)
    )
    shared = f"on the {len(labels):,} of these images that the champion's test set had, too"
    if not len(labels):
        return Reason(True, f"{shared}, nothing can be compared")
    change = compare(labels, before, after, classes=(), confidence=0.95).overall
    return Reason(
        True,
        f"{shared}: {change.after:.2%} right, the champion {change.before:.2%} ({change.fixed}"
        f" gained, {change.broken} lost), p = {change.p_value:.2g}",
    )


def _compare_classes(
    classes: Mapping[str, ClassChange], limits: GateParameters
) -> Iterator[Reason]:
    """A class has a veto if it lost more F1 than is allowed, and than chance explains.

    Only losses count, so that the tests are one-sided: half of Holm's two-sided p.
    """
    losses = {name: row.f1[0] - row.f1[1] for name, row in classes.items()}
    chances = {name: _loss_p_value(row) for name, row in classes.items()}
    limit, significance = limits.max_f1_loss, limits.significance
    lost = [name for name in losses if losses[name] > limit and chances[name] <= significance]
    for name in lost or [max(losses, key=losses.__getitem__)]:
        before, after = classes[name].f1
        found = f"{name} F1 {after:.4f}, the champion's {before:.4f}"
        if lost:
            found += f": a loss of {losses[name]:.4f} > {limit:.4f}, which chance doesn't explain"
        else:
            found = (
                f"no class lost more than {limit:.4f} of its F1 and than chance explains; the least"
                f" favourable: {found}"
            )
        yield Reason(not lost, f"{found} (p = {chances[name]:.2g})")


def _loss_p_value(row: ClassChange) -> float:
    """The chance of such a loss, of the class's own images or to others, in equally good models."""
    return min(
        change.p_value / 2 if change.broken > change.fixed else 1.0
        for change in (row.recall, row.others)
    )


def describe(verdict: Verdict) -> str:
    """The verdict in one line: why it was rejected, or all that speaks for it."""
    against = [reason.sentence for reason in verdict.reasons if not reason.holds]
    sentences = against or [reason.sentence for reason in verdict.reasons]
    return f"{verdict.decision}: {'; '.join(sentences)}"


def to_markdown(verdict: Verdict) -> str:
    """The verdict as a short page."""
    compared = f", compared with the champion {verdict.champion}" if verdict.champion else ""
    lines = [f"**{verdict.decision.capitalize()}**: {verdict.version}{compared}", ""]
    lines += [f"- {'✓' if reason.holds else '✗'} {reason.sentence}" for reason in verdict.reasons]
    if verdict.changes:
        lines += ["", "Since the champion's promotion, the images have changed:", ""]
        lines += [f"- {change}" for change in verdict.changes]
    if verdict.decision == "pending":
        lines += ["", DECISION.format(version=verdict.version)]
    return "\n".join([*lines, ""])
