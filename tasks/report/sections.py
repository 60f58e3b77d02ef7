"""The sections of the report, in their order.

A section is an entry in `SECTIONS` and a template of its name in templates/sections, which sees the
inputs, and as `found` what the entry's function makes of them.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.core import paths
from tasks.core.files import sha256_of
from tasks.evaluate.tables import bin_confidences, calibration_error
from tasks.report import findings, pictures
from tasks.report.inputs import Inputs

# A weak model doubts half of the labels; to look for the neighbours of all could take hours.
_MOST_DOUBTFUL = 2_000
_LIKELIEST = 10


@dataclass(frozen=True)
class Section:
    """A section of the report; its name is that of its template and of its anchor."""

    name: str
    title: str
    find: Callable[[Inputs], dict[str, Any]] = lambda _: {}


def find_changed_images(inputs: Inputs) -> dict[str, Any]:
    """The images that became right, and those that became wrong, of whose answer it is surest."""
    change, number = inputs.comparison, inputs.wanted.changed_images
    changed = {"fixed": change.fixed, "broken": change.broken} if change else {}
    return {
        name: findings.choose_surest(inputs.predictions.iloc[positions], number=number)
        for name, positions in changed.items()
    }


def find_data(inputs: Inputs) -> dict[str, Any]:
    """The positions of each class's first training images, and what isn't among the images."""
    labels, number = inputs.splits["train"].labels, inputs.wanted.samples_per_class
    classes = range(len(inputs.data.classes))
    origin = inputs.manifest["origin"] or {}
    return {
        "samples": [np.flatnonzero(labels == label)[:number].tolist() for label in classes],
        "missing": {
            "Images that couldn’t be used": origin.get("left_out"),
            "Files that were left aside": origin.get("left_aside"),
        },
    }


def find_course(inputs: Inputs) -> dict[str, Any]:
    """The curves of training, and the epoch that was chosen."""
    history, epoch = inputs.history, inputs.card["chosen_epoch"]
    return {
        "chosen": history[history["epoch"] == epoch].iloc[0].to_dict(),
        "curves": {
            name: pictures.draw_curve(history, name=name, chosen_epoch=epoch)
            for name in ("loss", "accuracy")
        },
    }


def find_confusion(inputs: Inputs) -> dict[str, Any]:
    """The matrix, twice, and the images behind its cells."""
    cells = findings.find_cells(
        inputs.predictions, number=inputs.wanted.cells, examples=inputs.wanted.examples_per_cell
    )
    linked = tuple(cell.labels for cell in cells)
    matrix, classes = inputs.metrics.confusion_matrix, inputs.data.classes
    return {
        "cells": cells,
        "normalized": pictures.draw_confusion(matrix, classes, shares=True, linked=linked),
        "absolute": pictures.draw_confusion(matrix, classes, shares=False, linked=linked),
    }


def find_pairs(inputs: Inputs) -> dict[str, Any]:
    """The pairs of classes that are most often taken for each other."""
    number, examples = inputs.wanted.confused_pairs, inputs.wanted.examples_per_pair
    return {
        "pairs": findings.find_confused_pairs(inputs.predictions, number=number, examples=examples)
    }


def find_surest_mistakes(inputs: Inputs) -> dict[str, Any]:
    """The mistakes of which the model was surest."""
    return {"mistakes": findings.find_mistakes(inputs.predictions, number=inputs.wanted.mistakes)}


def find_wrong_labels(inputs: Inputs) -> dict[str, Any]:
    """Suspicious training labels, and test labels that the model and the nearest images doubt."""
    test, training = inputs.splits["test"], inputs.splits["train"]
    shown, number = inputs.wanted.wrong_labels, inputs.wanted.neighbours
    doubted = findings.find_doubtful_labels(test.labels, inputs.probabilities.astype(np.float64))
    asked = findings.ask_neighbours(
        doubted[:_MOST_DOUBTFUL], test.images, training=training, number=number
    )
    supported = asked[asked["supporters"] > asked["opponents"]]
    return {
        "suspicious": inputs.suspicious[:shown].to_dict(orient="records"),
        "doubtful": supported[:shown].to_dict(orient="records"),
        "num_doubted": len(doubted),
        "num_asked": len(asked),
        "num_supported": len(supported),
        "num_neighbours": min(number, len(training.labels)),
    }


def find_calibration(inputs: Inputs) -> dict[str, Any]:
    """How sure the model is and how often it is right, with and without its temperature."""
    num_bins = inputs.metrics.calibration_bins
    unscaled = findings.undo_temperature(inputs.probabilities, inputs.card["temperature"])
    before = bin_confidences(inputs.splits["test"].labels, unscaled, num_bins=num_bins)
    return {
        "error_before": calibration_error(before),
        "reliability": pictures.draw_reliability(
            inputs.bins, before, confidence=inputs.metrics.interval_confidence
        ),
        "confidences": pictures.draw_confidences(inputs.predictions, num_bins=num_bins),
    }


def find_answer(inputs: Inputs) -> dict[str, Any]:
    """The likeliest classes of the first test image, and their probabilities."""
    probabilities = inputs.probabilities[0]
    likeliest = np.argsort(-probabilities, kind="stable")[:_LIKELIEST].tolist()
    return {"answer": [(label, float(probabilities[label])) for label in likeliest]}


def find_origin(inputs: Inputs) -> dict[str, Any]:
    """Parameters and versions from which this model came, and SHA-256 of what went in and out."""
    metrics, arrays = inputs.metrics, inputs.manifest["arrays"]
    return {
        "recipe": {
            "train": inputs.card["parameters"],
            "prepare": inputs.prepare.model_dump(),
            "evaluate": {
                "confidence": metrics.interval_confidence,
                "calibration_bins": metrics.calibration_bins,
            },
            "export": inputs.card["export"],
            "versions": inputs.card["versions"],
        },
        "files": {
            str(paths.EXPORTED_MODEL): metrics.sha256.model,
            str(paths.KERAS_MODEL): sha256_of(paths.KERAS_MODEL),
            **{str(paths.RAW / name): array["sha256"] for name, array in arrays.items()},
            str(paths.EVALUATION): sha256_of(paths.EVALUATION),
        },
        # By this, dvc.lock knows the metrics.
        "metrics_md5": hashlib.md5(
            paths.EVALUATION.read_bytes(), usedforsecurity=False
        ).hexdigest(),
    }


SECTIONS = (
    Section("change", "Change against the baseline", find_changed_images),
    Section("data", "Data", find_data),
    Section("training", "Training", find_course),
    Section("confusion", "Confusion", find_confusion),
    Section("classes", "Classification report"),
    Section("pairs", "Most confused pairs", find_pairs),
    Section("mistakes", "Surest mistakes", find_surest_mistakes),
    Section("labels", "Likely wrong labels", find_wrong_labels),
    Section("calibration", "Calibration", find_calibration),
    Section("answer", "One answer in full", find_answer),
    Section("origin", "Getting this model again", find_origin),
)
