"""Compares a batch with the training images, and writes what was found beside the predictions."""

from pathlib import Path

import numpy as np
import pandas as pd

from tasks.core.files import write_json, write_text
from tasks.drift.judge import DriftFinding, drift_to_markdown, judge_drift
from tasks.drift.parameters import DriftParameters
from tasks.drift.reference import IMAGE_STATISTICS
from tasks.predict.classify import Sample


def report_drift(
    sample: Sample, *, classes: tuple[str, ...], limits: DriftParameters, output: Path
) -> list[DriftFinding]:
    """Judges a batch, and writes OUTPUT's name with .drift.json and .drift.md in place of its end.

    Args:
        sample: of the batch.
        classes: their names.
        limits: how far a figure may be away.
        output: the table of the predictions.

    """
    findings = judge_sample(sample, classes=classes, limits=limits)
    content = {"images": sum(map(len, sample.rows)), "findings": findings}
    write_json(output.with_suffix(".drift.json"), content)
    write_text(output.with_suffix(".drift.md"), drift_to_markdown(findings))
    return findings


def judge_sample(
    sample: Sample, *, classes: tuple[str, ...], limits: DriftParameters
) -> list[DriftFinding]:
    """Judges a batch; see `tasks.drift.judge.judge_drift`."""
    columns = [*IMAGE_STATISTICS, "confidence", "label"]
    rows = np.concatenate(sample.rows) if sample.rows else np.empty((0, len(columns)))
    table = pd.DataFrame(rows, columns=columns).astype({"label": np.int64})
    return judge_drift(table, sample.reference, classes=classes, limits=limits)
