"""Whether a batch of images is like the training images, judged by Great Expectations.

Five figures are compared: the means of brightness, contrast, share of zero pixels and confidence,
and the mix of the predicted labels. What a batch may differ by is a stated distance, plus what
chance explains in samples of these sizes.
"""

import os
from typing import Any, TypedDict

import numpy as np
import pandas as pd

from tasks.drift.chance import NUM_SAMPLES, differences_of_means, divergence_of_labels
from tasks.drift.parameters import DriftParameters
from tasks.drift.reference import HIGHEST, Reference, Spread, count_in_bins, smooth_shares

# Of the range of a statistic: where training images hardly differ, as on a white ground, a
# distance in their deviations would be a single pixel.
_LEAST_DEVIATION = 0.01


class DriftFinding(TypedDict):
    """One figure of a batch.

    Attributes:
        figure: which one.
        observed: in words; of the batch.
        expected: in words; what is allowed, from the training images.
        success: whether the figure is as expected.

    """

    figure: str
    observed: str
    expected: str
    success: bool


def judge_drift(
    table: pd.DataFrame,
    reference: Reference,
    *,
    classes: tuple[str, ...],
    limits: DriftParameters,
) -> list[DriftFinding]:
    """Compares a batch with the training images.

    Args:
        table: a row per image, with the columns brightness, contrast, zero_share, confidence, and
            label, the position of the predicted class.
        reference: of the model that predicted.
        classes: their names.
        limits: how far a figure may be away.

    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}  # pyright: ignore[reportAttributeAccessIssue]
    source = context.data_sources.add_pandas("predictions")
    asset = source.add_dataframe_asset("batch")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": table})
    suite = drift_suite(table, reference, limits)
    results = batch.validate(suite, result_format="COMPLETE").results
    # Great Expectations gives the results in an order of its own.
    by_figure = {result.expectation_config.meta["figure"]: result for result in results}  # pyright: ignore[reportOptionalMemberAccess, reportOptionalSubscript]
    return [
        _describe(table, classes, by_figure[expectation.meta["figure"]].to_json_dict())
        for expectation in suite.expectations
    ]


def drift_suite(table: pd.DataFrame, reference: Reference, limits: DriftParameters) -> Any:
    """The expectations of a batch."""
    import great_expectations as gx
    import great_expectations.expectations as gxe

    expectations: list[Any] = []
    for figure in reference["statistics"]:
        low, high = allow_mean(figure, table[figure].to_numpy(), reference, limits)
        expectations.append(
            gxe.ExpectColumnMeanToBeBetween(
                column=figure,
                min_value=low,
                max_value=high,
                meta={"figure": f"mean {figure}", "expected": f"{low:.4g} to {high:.4g}"},
            )
        )
    threshold = allow_divergence(table["label"].to_numpy(), reference, limits)
    shares = smooth_shares(np.array(reference["label_counts"])).tolist()
    expectations.append(
        gxe.ExpectColumnKLDivergenceToBeLessThan(
            column="label",
            partition_object={"values": list(range(len(shares))), "weights": shares},
            threshold=threshold,
            meta={"figure": "predicted labels", "expected": f"at most {threshold:.4f} nats away"},
        )
    )
    return gx.ExpectationSuite(name="drift", expectations=expectations)


def allow_mean(
    figure: str,
    values: np.ndarray,
    reference: Reference,
    limits: DriftParameters,
    num_samples: int = NUM_SAMPLES,
) -> tuple[float, float]:
    """The lowest and the highest mean that a batch with such values may have."""
    spread: Spread = reference["statistics"][figure]
    highest = HIGHEST[figure]
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
    meta = result["expectation_config"]["meta"]
    value = result["result"].get("observed_value")
    if len(table) == 0:
        observed = "no images"
    elif "column" in result["expectation_config"]["kwargs"] and meta["figure"].startswith("mean"):
        observed = f"{float(value):.4g}"
    else:
        most = table["label"].value_counts(normalize=True).head(3)
        shares = ", ".join(
            f"{share:.0%} {classes[label]}"
            for label, share in zip(most.index.to_list(), most.to_list(), strict=True)
        )
        observed = f"{float(value):.4f} nats away: {shares}"
    return DriftFinding(
        figure=meta["figure"],
        observed=observed,
        expected=meta["expected"],
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
