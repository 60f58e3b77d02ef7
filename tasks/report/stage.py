"""Stage report: reports/report.html and report.md from what the other stages found.

python -m tasks.report

The page is one file: no script, no address outside it. What a page can't do is look at the
workspace; a failing stage and `make status` write into it that it is out of date.
"""

import hashlib
import json
from typing import Any

import numpy as np
import pandas as pd

from tasks.core import paths
from tasks.core.dataset import ImageSplit, load_manifest, load_split
from tasks.core.files import sha256_of, write_text
from tasks.core.parameters import DataParameters, load_section
from tasks.core.seal import sealed
from tasks.evaluate.metrics import Metrics, read_metrics
from tasks.models.compare import Comparison, compare
from tasks.page.images import show_images
from tasks.prepare.parameters import PrepareParameters
from tasks.report.baseline import Baseline, is_comparable, read_baseline
from tasks.report.findings import (
    ask_neighbours,
    choose_samples,
    choose_surest,
    find_confused_pairs,
    find_doubtful_labels,
    find_mistakes,
    probabilities_of,
)
from tasks.report.parameters import ReportParameters
from tasks.report.pictures import (
    draw_confidences,
    draw_confusion,
    draw_curve,
    draw_reliability,
)
from tasks.report.render import render_markdown, render_page

# A weak model doubts half of the labels; to look for the neighbours of all could take hours.
_MOST_DOUBTFUL = 2_000


def main() -> None:
    """Load, find, draw, render, save."""
    data: DataParameters = load_section("data", DataParameters)
    prepare: PrepareParameters = load_section("prepare", PrepareParameters)
    wanted: ReportParameters = load_section("report", ReportParameters)
    metrics = read_metrics(paths.EVALUATION)
    baseline = read_baseline(paths.BASELINE)
    validation = json.loads(paths.VALIDATION.read_text(encoding="utf-8"))
    card = json.loads(sealed(paths.MODEL_CARD, stage="train").read_text(encoding="utf-8"))
    history = pd.read_csv(paths.HISTORY)
    bins = pd.read_csv(paths.CALIBRATION)
    predictions = pd.read_parquet(paths.PREDICTIONS)
    training, test = load_split("train"), load_split("test")

    classes = data.classes
    comparison = compare_with(baseline, metrics, predictions, classes=classes)
    content = {
        "data": data,
        "metrics": metrics,
        "baseline": baseline,
        "comparison": comparison,
        "validation": validation,
        "card": card,
        "summary": paths.MODEL_SUMMARY.read_text(encoding="utf-8"),
        "history": history.to_dict(orient="records"),
        "recipe": describe_recipe(prepare.model_dump(), card, metrics),
        "fingerprints": take_fingerprints(metrics),
        "pairs": find_confused_pairs(
            predictions,
            number=wanted.confused_pairs,
            examples=wanted.examples_per_pair,
        ),
    }
    pictures = {
        "curves": {
            name: draw_curve(history, name, chosen_epoch=card["chosen_epoch"])
            for name in ("loss", "accuracy")
        },
        "confusion": {
            shares: draw_confusion(metrics.confusion_matrix, classes, shares=shares)
            for shares in (True, False)
        },
        "reliability": draw_reliability(bins, confidence=metrics.interval_confidence),
        "confidences": draw_confidences(predictions, num_bins=metrics.calibration_bins),
        "samples": [
            show_images(training.images[positions]) if positions else None
            for positions in choose_samples(
                training.labels,
                num_classes=len(classes),
                number=wanted.samples_per_class,
            )
        ],
    }
    galleries = choose_galleries(predictions, training, test, comparison, wanted)
    write_text(
        paths.REPORT_PAGE,
        render_page(content | pictures | galleries, predictions, {"train": training, "test": test}),
    )
    write_text(paths.REPORT_TEXT, render_markdown(content))
    print(f"wrote {paths.REPORT_PAGE}", flush=True)


def compare_with(
    baseline: Baseline | None,
    metrics: Metrics,
    predictions: pd.DataFrame,
    *,
    classes: tuple[str, ...],
) -> Comparison | None:
    """The change against the baseline; None if there is none, or one for other test images."""
    if not baseline or not is_comparable(baseline.metrics, metrics):
        return None
    return compare(
        predictions["label"].to_numpy(),
        baseline.predicted,
        predictions["predicted"].to_numpy(),
        classes=classes,
        confidence=metrics.interval_confidence,
    )


def choose_galleries(
    predictions: pd.DataFrame,
    training: ImageSplit,
    test: ImageSplit,
    comparison: Comparison | None,
    wanted: ReportParameters,
) -> dict[str, Any]:
    """The test images that are shown one by one, as positions or with what is known of them."""
    probabilities = probabilities_of(predictions)
    doubted = find_doubtful_labels(test.labels, probabilities)
    doubtful = ask_neighbours(
        test.images,
        test.labels,
        predictions["predicted"].to_numpy(),
        doubted[:_MOST_DOUBTFUL],
        training=(training.images, training.labels),
        number=wanted.neighbours,
    )
    supported = [label for label in doubtful if label.supporters > label.opponents]
    return {
        "mistakes": find_mistakes(predictions, number=wanted.mistakes),
        "doubtful": supported[: wanted.wrong_labels],
        "num_doubted": len(doubted),
        "num_asked": len(doubtful),
        "num_supported": len(supported),
        "num_neighbours": min(wanted.neighbours, len(training.labels)),
        **{
            name: choose_surest(predictions, positions, number=wanted.changed_images)
            for name, positions in (
                ("fixed", [] if comparison is None else comparison.fixed),
                ("broken", [] if comparison is None else comparison.broken),
            )
        },
        "answer": np.argsort(-probabilities[0], kind="stable")[:10].tolist(),
        "answer_probabilities": probabilities[0].tolist(),
    }


def describe_recipe(
    prepare: dict[str, Any], card: dict[str, Any], metrics: Metrics
) -> dict[str, dict[str, Any]]:
    """The parameters and versions from which this model and its figures came, a table each."""
    return {
        "train": card["parameters"],
        "prepare": prepare,
        "evaluate": {
            "confidence": metrics.interval_confidence,
            "calibration_bins": metrics.calibration_bins,
        },
        "versions": card["versions"],
    }


def take_fingerprints(metrics: Metrics) -> dict[str, Any]:
    """SHA-256 of what went in and came out, and the MD5 by which dvc.lock knows the metrics."""
    arrays = load_manifest()["arrays"]
    return {
        "files": {
            str(paths.EXPORTED_MODEL): metrics.sha256.model,
            str(paths.KERAS_MODEL): sha256_of(paths.KERAS_MODEL),
            **{str(paths.RAW / name): array["sha256"] for name, array in arrays.items()},
            str(paths.EVALUATION): sha256_of(paths.EVALUATION),
        },
        "metrics_md5": hashlib.md5(
            paths.EVALUATION.read_bytes(), usedforsecurity=False
        ).hexdigest(),
    }
