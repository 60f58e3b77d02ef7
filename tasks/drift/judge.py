"""Whether a batch of images is like the training images, judged by Great Expectations.

Five figures are compared: the means of brightness, contrast, share of zero pixels and confidence,
and the mix of the predicted labels. What a batch may differ by is a stated distance, plus what
chance explains in samples of these sizes.
"""

from typing import Any, TypedDict

import numpy as np
import pandas as pd

from tasks.drift.batch import FIGURES, Batch
from tasks.drift.chance import NUM_SAMPLES, differences_of_means, divergence_of_labels
from tasks.drift.parameters import DriftParameters
from tasks.drift.reference import HIGHEST, Reference, smooth_shares
from tasks.validate.ask import ask

# Of the range of a statistic: where training images hardly differ, as on a white ground, a
# distance in their deviations would be a single pixel.
_LEAST_DEVIATION = 0.01
LABELS = "predicted labels"
PAGE_HEADING = "| | figure | this batch | as in training |"


class DriftFinding(TypedDict):
    """One figure of a batch, in words: what was observed, and what the training images allow."""

    figure: str
    observed: str
    expected: str
    success: bool


def judge_drift(
    batch: Batch, reference: Reference, *, classes: tuple[str, ...], limits: DriftParameters
) -> list[DriftFinding]:
    """Compares a batch with the training images; the classes are those of the predicted labels."""
    import great_expectations.expectations as gxe

    observed = observe(batch, reference)
    allowed = allow(batch, reference, limits)
    expectations: list[Any] = [
        gxe.ExpectColumnMeanToBeBetween(
            column=figure, min_value=low, max_value=high, meta={"check": figure}
        )
        for figure, (low, high) in allowed.items()
    ]
    # A row for the batch: what it holds was added up where its images were read.
    (results,) = ask([(pd.DataFrame([observed]), expectations)])
    return [
        DriftFinding(
            figure=figure if figure == LABELS else f"mean {figure}",
            observed=_tell(figure, observed[figure], batch, classes),
            expected=f"at most {high:.4f} nats away"
            if figure == LABELS
            else f"{low:.4g} to {high:.4g}",
            success=bool(result["success"]) and batch.num_images > 0,
        )
        for (figure, (low, high)), result in zip(allowed.items(), results, strict=True)
    ]


def observe(batch: Batch, reference: Reference) -> dict[str, float]:
    """The means of a batch, and how far its labels diverge from the reference's, in nats."""
    number = max(1, batch.num_images)
    means = dict(zip(FIGURES, (batch.sums / number).tolist(), strict=True))
    shares = batch.label_counts / number
    expected = smooth_shares(np.array(reference["label_counts"]))
    held = shares > 0
    divergence = float((shares[held] * np.log(shares[held] / expected[held])).sum())
    return {**means, LABELS: max(0.0, divergence)}


def allow(
    batch: Batch, reference: Reference, limits: DriftParameters, num_samples: int = NUM_SAMPLES
) -> dict[str, tuple[float, float]]:
    """The lowest and the highest of each figure that a batch of this size and kind may have."""
    tail = limits.false_alarms / (len(FIGURES) + 1)  # their probabilities add up
    allowed = {}
    for figure, counts in zip(FIGURES, batch.counts, strict=True):
        spread, highest = reference["statistics"][figure], HIGHEST[figure]
        distance = limits.max_deviation * max(spread["deviation"], _LEAST_DEVIATION * highest)
        low, high = differences_of_means(
            np.array(spread["counts"]), counts, tail=tail / 2, num_samples=num_samples
        )
        low, high = low * highest - distance, high * highest + distance
        allowed[figure] = (spread["mean"] + low, spread["mean"] + high)
    chance = divergence_of_labels(
        np.array(reference["label_counts"]), batch.label_counts, tail=tail, num_samples=num_samples
    )
    allowed[LABELS] = (0.0, limits.max_divergence + chance)
    return allowed


def _tell(figure: str, value: float, batch: Batch, classes: tuple[str, ...]) -> str:
    if batch.num_images == 0:
        return "no images"
    if figure != LABELS:
        return f"{value:.4g}"
    shares = batch.label_counts / batch.num_images
    most = [label for label in np.argsort(-shares, kind="stable")[:3] if shares[label] > 0]
    mix = ", ".join(f"{shares[label]:.0%} {classes[label]}" for label in most)
    return f"{value:.4f} nats away: {mix}"


def describe_drift(findings: list[DriftFinding]) -> list[str]:
    """One line per figure that isn't as expected."""
    return [
        f"{finding['figure']}: {finding['observed']}; expected {finding['expected']}"
        for finding in findings
        if not finding["success"]
    ]


def drift_to_markdown(findings: list[DriftFinding]) -> str:
    """The findings as a table."""
    rows = [
        f"| {'✓' if finding['success'] else '✗'} | {finding['figure']} | {finding['observed']}"
        f" | {finding['expected']} |"
        for finding in findings
    ]
    return "\n".join([PAGE_HEADING, "|---|---|---|---|", *rows, ""])
