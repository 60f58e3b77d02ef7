"""What the report is made from: the outputs of the other stages, checked and loaded."""

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.core import paths
from tasks.core.dataset import ImageSplit, SplitName, load_manifest, load_split
from tasks.core.parameters import DataParameters, load_section
from tasks.core.seal import sealed
from tasks.evaluate.metrics import read_metrics
from tasks.models.compare import Comparison, compare
from tasks.prepare.parameters import PrepareParameters
from tasks.report.baseline import read_baseline
from tasks.report.parameters import ReportParameters


class Inputs:
    """All that a section of the report may be computed from; an InputError tells what is damaged.

    Of the tables, `suspicious` has a row per training label that is probably wrong, the most
    suspicious first, `history` per epoch, `bins` per bin of confidence, `predictions` per test
    image.
    """

    def __init__(self) -> None:
        self.data: DataParameters = load_section("data", DataParameters)
        self.prepare: PrepareParameters = load_section("prepare", PrepareParameters)
        self.wanted: ReportParameters = load_section("report", ReportParameters)
        self.metrics = read_metrics(paths.EVALUATION)
        self.baseline = read_baseline(paths.BASELINE)
        self.validation = _load(paths.VALIDATION)  # counts of the classes, findings of the guard
        self.suspicious = pd.read_csv(paths.SUSPICIOUS_LABELS)
        self.card = _load(sealed(paths.MODEL_CARD, stage="train"))
        self.summary = paths.MODEL_SUMMARY.read_text(encoding="utf-8")
        self.history = pd.read_csv(paths.HISTORY)
        self.bins = pd.read_csv(paths.CALIBRATION)
        self.predictions = pd.read_parquet(paths.PREDICTIONS)
        self.splits: dict[SplitName, ImageSplit] = {
            "train": load_split("train"),
            "test": load_split("test"),
        }
        self.manifest = load_manifest()  # what ingest wrote, and from what

    @cached_property
    def comparison(self) -> Comparison | None:
        """The change against the baseline; None without one, or if it saw other test images."""
        if not self.baseline or not self.baseline.is_comparable(self.metrics):
            return None
        return compare(
            self.predictions["label"].to_numpy(),
            self.baseline.predicted,
            self.predictions["predicted"].to_numpy(),
            classes=self.data.classes,
            confidence=self.metrics.interval_confidence,
        )

    @cached_property
    def probabilities(self) -> np.ndarray:
        """(n, classes) float32, what the model answered to the test images."""
        return self.predictions.filter(regex="^probability: ").to_numpy()


def _load(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
