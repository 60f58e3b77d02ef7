"""What the report is made from, for data sets of any size, without training anything."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.core import paths
from tasks.core.dataset import ImageSplit, Selection, SplitName, save_splits
from tasks.core.files import write_json, write_text
from tasks.core.seal import seal
from tasks.evaluate.metrics import Earlier, Judged, measure
from tasks.evaluate.tables import bin_confidences, tabulate_predictions
from tasks.images.arrays import parse_idx
from tasks.report.baseline import Baseline
from tasks.report.stage import main
from tests.conftest import FIXTURE, write_parameters

MakeReport = Callable[..., str]


def real_splits() -> dict[SplitName, ImageSplit]:
    """The 400 and 100 real images of the fixture."""
    splits: dict[SplitName, ImageSplit] = {}
    prefixes: dict[SplitName, str] = {"train": "train", "test": "t10k"}
    for name, prefix in prefixes.items():
        images, labels = (
            parse_idx(
                gzip.decompress((FIXTURE / f"{prefix}-{part}-ubyte.gz").read_bytes()),
                name=part,
                num_dimensions=number,
            )
            for part, number in (("images-idx3", 3), ("labels-idx1", 1))
        )
        splits[name] = ImageSplit(images[..., None], labels)
    return splits


def made_up_splits(
    *, num_classes: int, shape: tuple[int, int, int], num_test: int
) -> dict[SplitName, ImageSplit]:
    """Noise, a few images per class."""
    random = np.random.default_rng(0)
    splits: dict[SplitName, ImageSplit] = {}
    numbers: dict[SplitName, int] = {"train": 3 * num_classes, "test": num_test}
    for name, number in numbers.items():
        images = random.integers(0, 256, (number, *shape), dtype=np.uint8)
        splits[name] = ImageSplit(images, (np.arange(number) % num_classes).astype(np.uint8))
    return splits


def made_up_answers(labels: np.ndarray, *, num_classes: int, seed: int) -> np.ndarray:
    """Probabilities of a model that is right more often than not."""
    random = np.random.default_rng(seed)
    scores = random.normal(0, 1, (len(labels), num_classes))
    scores[np.arange(len(labels)), labels] += 3
    exponents = np.exp(scores - scores.max(axis=1, keepdims=True))
    return (exponents / exponents.sum(axis=1, keepdims=True)).astype(np.float32)


def finding(**changes: Any) -> dict[str, Any]:
    return {
        "check": "duplicates within the split",
        "split": "train",
        "expected": "at most 0.1% of the images",
        "observed": "all rows",
        "severity": "warning",
        "success": True,
        "unexpected_count": 0,
        "first_images": [],
        "originals": [],
    } | changes


@pytest.fixture
def make_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_parameters: dict
) -> MakeReport:
    """Writes every input of the report into an empty folder, runs the stage, returns the page."""
    monkeypatch.chdir(tmp_path)

    def make(
        *,
        splits: dict[SplitName, ImageSplit] | None = None,
        classes: list[str] | None = None,
        findings: list[dict[str, Any]] | None = None,
        baseline_seed: int | None = None,
        name: str = "Fashion-MNIST",
        origin: object = None,
    ) -> str:
        splits = splits or real_splits()
        data = small_parameters["data"]
        classes = classes or data["classes"]
        height, width, channels = splits["test"].images.shape[1:]
        data |= {"name": name, "classes": classes}
        data |= {"height": height, "width": width, "channels": channels}
        write_parameters(Path(), small_parameters)
        if not paths.RAW.exists():
            saved: dict[SplitName, Selection] = {name: part.all() for name, part in splits.items()}
            save_splits(paths.RAW, saved, origin=origin)
        labels = splits["test"].labels
        probabilities = made_up_answers(labels, num_classes=len(classes), seed=1)
        bins = bin_confidences(labels, probabilities, num_bins=15)
        judged = Judged(
            version="0" * 12, model="0" * 64, test_images="1" * 64, test_labels="2" * 64
        )
        options = {
            "classes": tuple(classes),
            "confidence": 0.95,
            "num_bins": 15,
            "sha256": judged,
        }
        metrics = measure(labels, probabilities, **options)
        write_json(paths.EVALUATION, metrics.model_dump(mode="json"))
        write_text(paths.CALIBRATION, bins.to_csv(index=False))
        tabulate_predictions(labels, probabilities, classes=tuple(classes)).to_parquet(
            paths.PREDICTIONS
        )
        write_json(paths.BASELINE, {})
        if baseline_seed is not None:
            before = made_up_answers(labels, num_classes=len(classes), seed=baseline_seed)
            old = Earlier.model_validate(measure(labels, before, **options).model_dump())
            predicted = before.argmax(axis=1).astype(np.uint8)
            baseline = Baseline(origin="commit 1234567", metrics=old, predicted=predicted)
            write_json(paths.BASELINE, baseline.model_dump(mode="json"))
        write_json(
            paths.VALIDATION,
            {
                "success": True,
                "counts": [
                    {"split": split, "label": label, "class": name, "count": count, "share": 0.1}
                    for split, part in splits.items()
                    for label, name in enumerate(classes)
                    for count in [int((part.labels == label).sum())]
                ],
                "findings": findings or [finding()],
            },
        )
        rows = [[0, 1, 0, 0.0123, 0.9]]
        columns = ["position", "label", "suggestion", "probability_label", "probability_suggestion"]
        write_text(paths.SUSPICIOUS_LABELS, pd.DataFrame(rows, columns=columns).to_csv(index=False))
        write_text(
            paths.HISTORY,
            pd.DataFrame(
                {
                    "epoch": [1, 2, 3],
                    "loss": [1.0, 0.5, 0.3],
                    "accuracy": [0.5, 0.7, 0.9],
                    "val_loss": [0.9, 0.6, 0.7],
                    "val_accuracy": [0.6, 0.7, 0.7],
                }
            ).to_csv(index=False),
        )
        card = {"chosen_epoch": 2, "num_parameters": 94154}
        card |= {
            "parameters": {"seed": 0},
            "temperature": 1.5,
            "export": {"computes_in": "int8"},
            "versions": {"keras": "3.15.1"},
        }
        write_json(paths.MODEL_CARD, card)
        write_text(paths.MODEL_SUMMARY, "Total params: 94,154\n")
        paths.KERAS_MODEL.write_bytes(b"weights")
        seal(paths.CANDIDATE)
        main()
        return paths.REPORT_PAGE.read_text("utf-8")

    return make
