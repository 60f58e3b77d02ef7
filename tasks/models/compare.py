"""Compares two models on the same test images, so that noise isn't sold as progress.

The gate asks it about the champion, the report about the baseline.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
import scipy  # its parts are imported when they are used

Verdict = Literal["better", "worse", "no clear difference", "the same answers"]


@dataclass(frozen=True)
class Change:
    """What became of some test images."""

    fixed: int  # how many were wrong and are right now
    broken: int  # how many were right and are wrong now
    before: float  # share that was right
    after: float  # share that is right
    interval: tuple[float, float]  # of `after - before`
    p_value: float  # the chance of so lopsided a change, or more, between two equally good models
    verdict: Verdict


@dataclass(frozen=True)
class ClassChange:
    """What became of a class."""

    recall: Change  # of its own images, which are right if they are named after it
    others: Change  # of the images of the other classes, which are right if they aren't
    f1: tuple[float, float]  # before and after: 2 · true positives / (images + answers)


@dataclass(frozen=True)
class Comparison:
    """Two models on the same images."""

    overall: Change
    classes: dict[str, ClassChange]  # those with images; p-values are corrected for their number
    fixed: np.ndarray  # positions of the images that were wrong and are right now
    broken: np.ndarray  # positions of those that were right and are wrong now


def compare(
    labels: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    *,
    classes: tuple[str, ...],
    confidence: float,
) -> Comparison:
    """McNemar's exact test on all images, and two for each class.

    From the (n,) true classes, and those that the earlier model (before) and the other one (after)
    named. The confidence is of the intervals; a p-value up to 1 - confidence is a difference. Over
    the classes, the p-values are corrected by Holm's method: all of them together claim a
    difference that isn't there no more often than one test does.
    """
    was_right, is_right = before == labels, after == labels
    names, recalls, others, scores = [], [], [], []
    for label, name in enumerate(classes):
        own, was, now = labels == label, before == label, after == label
        if not own.any():
            continue
        names.append(name)
        recalls.append(_measure(was[own], now[own], confidence))
        others.append(_measure(~was[~own], ~now[~own], confidence))
        scores.append((_f1(own, was), _f1(own, now)))
    judge = partial(_judge, confidence=confidence, same=bool((before == after).all()))
    rows = zip(names, judge(recalls), judge(others), scores, strict=True)
    (overall,) = judge([_measure(was_right, is_right, confidence)])
    return Comparison(
        overall=overall,
        classes={name: ClassChange(recall, other, f1) for name, recall, other, f1 in rows},
        fixed=np.flatnonzero(~was_right & is_right),
        broken=np.flatnonzero(was_right & ~is_right),
    )


def inferiority_p_value(change: Change, number: int, *, margin: float) -> float:
    """The chance of so good a result, or a better one, from a model that is worse by `margin`.

    The larger one of Tango's score test of paired shares and of the exact chance that a model that
    only loses answers loses so few: where hardly one changed, the score alone lets 7% pass at 5%.
    Where no answer changed, it takes 299 images to show that not 0.01 of the accuracy are lost. The
    margin, above 0, is of the accuracy on so many images.

    Source: Tango, Statistics in Medicine 17 (1998), 891-908.
    """
    gain = change.fixed - change.broken
    # The likeliest share of broken images if the loss is the margin: the root of a quadratic.
    linear = change.fixed + change.broken + margin * (2 * number - gain)
    constant = change.broken * margin * (1 + margin)
    share = (linear + np.sqrt(linear**2 - 8 * number * constant)) / (4 * number)
    deviation = np.sqrt(number * (2 * share - margin * (1 + margin)))
    score = float(scipy.special.ndtr(-(gain + number * margin) / deviation))
    return score if gain > 0 else max(score, float(scipy.special.bdtr(-gain, number, margin)))


def correct_for_number(p_values: Sequence[float]) -> list[float]:
    """Holm's correction of p-values for their number, in their order."""
    values = np.asarray(p_values)
    order = np.argsort(values, kind="stable")
    corrected = np.empty(len(values))
    steps = values[order] * np.arange(len(values), 0, -1)
    corrected[order] = np.minimum(1, np.maximum.accumulate(steps))
    return corrected.tolist()


def _measure(was_right: np.ndarray, is_right: np.ndarray, confidence: float) -> Change:
    """The change without its verdict; the interval is that of Clopper and Pearson."""
    number = max(1, len(is_right))
    fixed = int((~was_right & is_right).sum())
    broken = int((was_right & ~is_right).sum())
    moved = fixed + broken
    tail = (1 - confidence) / 2
    low = scipy.special.betaincinv(fixed, broken + 1, tail) if fixed else 0.0
    high = scipy.special.betaincinv(fixed + 1, broken, 1 - tail) if broken else 1.0
    return Change(
        fixed=fixed,
        broken=broken,
        before=int(was_right.sum()) / number,
        after=int(is_right.sum()) / number,
        interval=((2 * float(low) - 1) * moved / number, (2 * float(high) - 1) * moved / number),
        p_value=min(1.0, 2 * float(scipy.special.bdtr(min(fixed, broken), moved, 0.5))),
        verdict="no clear difference",
    )


def _judge(changes: Sequence[Change], *, confidence: float, same: bool) -> list[Change]:
    """Corrects the p-values for their number, and adds the verdicts."""
    judged = []
    p_values = correct_for_number([change.p_value for change in changes])
    for change, p_value in zip(changes, p_values, strict=True):
        verdict = change.verdict
        if same:
            verdict = "the same answers"
        elif p_value <= 1 - confidence:
            verdict = "better" if change.fixed > change.broken else "worse"
        judged.append(replace(change, p_value=p_value, verdict=verdict))
    return judged


def _f1(own: np.ndarray, named: np.ndarray) -> float:
    return 2 * int((own & named).sum()) / int(own.sum() + named.sum())
