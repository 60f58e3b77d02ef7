"""Compares two models on the same test images, so that noise isn't sold as progress.

The model compared with is the *baseline*: reports/baseline.json, which `make baseline` makes from a
commit. It lies in Git and is an input of the report like any other, so that the report stays a
function of its inputs: what the last commit was is no input that DVC can see.
"""

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.stats import binomtest, false_discovery_control

Verdict = Literal["better", "worse", "no clear difference", "the same answers"]


@dataclass(frozen=True)
class Change:
    """What became of some test images.

    Attributes:
        fixed: how many were wrong and are right now.
        broken: how many were right and are wrong now.
        before: share that was right.
        after: share that is right.
        interval: of `after - before`.
        p_value: the chance of so lopsided a change, or more, between two equally good models.
        verdict: in words.

    """

    fixed: int
    broken: int
    before: float
    after: float
    interval: tuple[float, float]
    p_value: float
    verdict: Verdict


@dataclass(frozen=True)
class Comparison:
    """Two models on the same images.

    Attributes:
        overall: on all images.
        classes: on the images of each class that has any, with p-values corrected for their number.
        fixed: positions of the images that were wrong and are right now.
        broken: positions of those that were right and are wrong now.
        before: (n,) the classes that the baseline named.

    """

    overall: Change
    classes: dict[str, Change]
    fixed: np.ndarray
    broken: np.ndarray
    before: np.ndarray


def pack_baseline(
    metrics: Mapping[str, Any], predicted: np.ndarray, *, origin: str
) -> dict[str, object]:
    """What a later report needs to know about a model, small enough for Git.

    Args:
        metrics: as evaluate wrote them.
        predicted: (n,) uint8, the classes that the model named.
        origin: where it was taken from, in words.

    """
    packed = zlib.compress(predicted.astype(np.uint8).tobytes(), 9)
    return {
        "origin": origin,
        "metrics": dict(metrics),
        "predicted": base64.b64encode(packed).decode(),
    }


def unpack_predicted(baseline: Mapping[str, Any]) -> np.ndarray:
    """The (n,) uint8 classes that the baseline named."""
    return np.frombuffer(zlib.decompress(base64.b64decode(baseline["predicted"])), np.uint8)


def is_comparable(baseline: Mapping[str, Any], metrics: Mapping[str, Any]) -> bool:
    """Whether the baseline was judged on the very same test images and labels."""
    return all(
        baseline["metrics"]["sha256"][name] == metrics["sha256"][name]
        for name in ("test_images", "test_labels")
    ) and list(baseline["metrics"]["classes"]) == list(metrics["classes"])


def compare(
    labels: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    *,
    classes: tuple[str, ...],
    confidence: float,
) -> Comparison:
    """McNemar's exact test on all images, and on the images of each class.

    Args:
        labels: (n,) the true classes.
        before: (n,) the classes that the baseline named.
        after: (n,) those that the model names.
        classes: their names.
        confidence: of the intervals; a p-value below 1 - confidence is called a difference.

    Over the classes, the p-values are corrected by Benjamini and Hochberg's method: of ten classes
    that didn't change, one would else too often look as if it had.

    """
    was_right, is_right = before == labels, after == labels
    same = bool((before == after).all())
    present = [label for label in range(len(classes)) if (labels == label).any()]
    changes = [
        _change(was_right[labels == label], is_right[labels == label], confidence=confidence)
        for label in present
    ]
    corrected = false_discovery_control([change.p_value for change in changes])
    return Comparison(
        overall=_judge(_change(was_right, is_right, confidence=confidence), confidence, same=same),
        classes={
            classes[label]: _judge(change, confidence, p_value=float(p_value), same=same)
            for label, change, p_value in zip(present, changes, corrected, strict=True)
        },
        fixed=np.flatnonzero(~was_right & is_right),
        broken=np.flatnonzero(was_right & ~is_right),
        before=before,
    )


def _change(was_right: np.ndarray, is_right: np.ndarray, *, confidence: float) -> Change:
    fixed = int((~was_right & is_right).sum())
    broken = int((was_right & ~is_right).sum())
    moved = fixed + broken
    low = high = 0.0
    p_value = 1.0
    if moved:
        test = binomtest(fixed, moved)
        share = test.proportion_ci(confidence, method="exact")
        low, high = ((2 * float(edge) - 1) * moved / len(is_right) for edge in share)
        p_value = float(test.pvalue)
    return Change(
        fixed=fixed,
        broken=broken,
        before=float(was_right.mean()),
        after=float(is_right.mean()),
        interval=(low, high),
        p_value=p_value,
        verdict="no clear difference",
    )


def _judge(
    change: Change, confidence: float, *, same: bool, p_value: float | None = None
) -> Change:
    """Adds the verdict, and the corrected p-value if there is one."""
    probability = change.p_value if p_value is None else p_value
    verdict: Verdict = "no clear difference"
    if same:
        verdict = "the same answers"
    elif probability < 1 - confidence:
        verdict = "better" if change.fixed > change.broken else "worse"
    return Change(
        fixed=change.fixed,
        broken=change.broken,
        before=change.before,
        after=change.after,
        interval=change.interval,
        p_value=probability,
        verdict=verdict,
    )
