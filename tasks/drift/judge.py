"""Whether a batch of images is like the training images, judged by Great Expectations.

Five figures are compared: the means of brightness, contrast, share of zero pixels and confidence,
and the mix of the predicted labels. What a batch may differ by is a stated distance, plus what
chance explains in samples of these sizes.
"""

from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pandas as pd

from tasks.core.files import write_json, write_text
from tasks.drift.chance import NUM_SAMPLES, differences_of_means, divergence_of_labels
from tasks.drift.parameters import DriftParameters
from tasks.drift.reference import (
    HIGHEST,
    IMAGE_STATISTICS,
    Reference,
    count_in_bins,
    smooth_shares,
)
from tasks.predict.classify import Sample
from tasks.validate.ask import ask

# Of the range of a statistic: where training images hardly differ, as on a white ground, a
# distance in their deviations would be a single pixel.
_LEAST_DEVIATION = 0.01


class DriftFinding(TypedDict):
    """One figure of a batch, in words: what was observed, and what the training images allow."""

    figure: str
    observed: str
    expected: str
    success: bool


def report_drift(
    sample: Sample, *, classes: tuple[str, ...], limits: DriftParameters, output: Path
) -> list[DriftFinding]:
    """Judges a batch; writes OUTPUT's name with .drift.json and .drift.md in place of its end."""
    findings = judge_drift(sample, classes=classes, limits=limits)
    content = {"images": sum(map(len, sample.rows)), "findings": findings}
    write_json(output.with_suffix(".drift.json"), content)
    write_text(output.with_suffix(".drift.md"), drift_to_markdown(findings))
    return findings


def judge_drift(
    sample: Sample, *, classes: tuple[str, ...], limits: DriftParameters
) -> list[DriftFinding]:
    """Compares a batch with the training images; the classes are those of the predicted labels."""
    columns = [*IMAGE_STATISTICS, "confidence", "label"]
    rows = np.concatenate(sample.rows) if sample.rows else np.empty((0, len(columns)))
    table = pd.DataFrame(rows, columns=columns).astype({"label": np.int64})
    (results,) = ask([(table, _expect(table, sample.reference, limits))])
    return [_describe(table, classes, result) for result in results]


def _expect(table: pd.DataFrame, reference: Reference, limits: DriftParameters) -> list[Any]:
    import great_expectations.expectations as gxe

    expectations: list[Any] = []
    for figure in reference["statistics"]:
        low, high = allow_mean(figure, table[figure].to_numpy(), reference, limits)
        meta = {"check": f"mean {figure}", "expected": f"{low:.4g} to {high:.4g}"}
        expectations.append(
            gxe.ExpectColumnMeanToBeBetween(column=figure, min_value=low, max_value=high, meta=meta)
        )
    threshold = allow_divergence(table["label"].to_numpy(), reference, limits)
    shares = smooth_shares(np.array(reference["label_counts"])).tolist()
    expectations.append(
        gxe.ExpectColumnKLDivergenceToBeLessThan(
            column="label",
            partition_object={"values": list(range(len(shares))), "weights": shares},
            threshold=threshold,
            meta={"check": "predicted labels", "expected": f"at most {threshold:.4f} nats away"},
        )
    )
    return expectations


def allow_mean(
    figure: str,
    values: np.ndarray,
    reference: Reference,
    limits: DriftParameters,
    num_samples: int = NUM_SAMPLES,
) -> tuple[float, float]:
    """The lowest and the highest mean that a batch with such values may have."""
    spread, highest = reference["statistics"][figure], HIGHEST[figure]
    distance = limits.max_deviation * max(spread["deviation"], _LEAST_DEVIATION * highest)
    low, high = (0.0, 0.0)
    if len(values) > 0:
        low, high = differences_of_means(
            np.array(spread["counts"]),
            count_in_bins(values, highest),
            tail=limits.false_alarms / _num_findings(reference) / 2,
            num_samples=num_samples,
        )
    return spread["mean"] + low * highest - distance, spread["mean"] + high * highest + distance


def allow_divergence(
    labels: np.ndarray,
    reference: Reference,
    limits: DriftParameters,
    num_samples: int = NUM_SAMPLES,
) -> float:
    """How far a batch's labels may diverge from those predicted for the reference, in nats."""
    if len(labels) == 0:
        return limits.max_divergence
    counts = np.array(reference["label_counts"])
    return limits.max_divergence + divergence_of_labels(
        counts,
        np.bincount(labels, minlength=len(counts)),
        tail=limits.false_alarms / _num_findings(reference),
        num_samples=num_samples,
    )


def _num_findings(reference: Reference) -> int:
    """Each may raise a false alarm: their probabilities add up."""
    return len(reference["statistics"]) + 1


def _describe(table: pd.DataFrame, classes: tuple[str, ...], result: Any) -> DriftFinding:
    config = result["expectation_config"]
    value = result["result"].get("observed_value")
    if len(table) == 0:
        observed = "no images"
    elif config["type"] == "expect_column_mean_to_be_between":
        observed = f"{float(value):.4g}"
    else:
        most: dict[Any, float] = table["label"].value_counts(normalize=True).head(3).to_dict()
        shares = (f"{share:.0%} {classes[label]}" for label, share in most.items())
        observed = f"{float(value):.4f} nats away: {', '.join(shares)}"
    return DriftFinding(
        figure=config["meta"]["check"],
        observed=observed,
        expected=config["meta"]["expected"],
        success=bool(result["success"]) and len(table) > 0,
    )


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
    return "\n".join(["| | figure | this batch | as in training |", "|---|---|---|---|", *rows, ""])
