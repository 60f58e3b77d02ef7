"""The model's own kind of images raises no alarm; inverted, shifted, noisy and foreign ones do."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.drift import add_noise, draw_digits, shift
from tasks.drift.judge import DriftFinding, describe_drift, judge_drift, report_drift
from tasks.predict.classify import Sample
from tasks.predict.model import Model
from tests.conftest import read_parameters, typed

LIMITS = typed(read_parameters()).drift
IMAGE_FIGURES = {"mean brightness", "mean contrast", "mean zero_share"}


def judge(images: np.ndarray, model: Model) -> list[DriftFinding]:
    sample = Sample(model.read_reference())
    sample.add(images, model.classifier.predict(images))
    return judge_drift(sample, classes=model.classes, limits=LIMITS)


def alarms(images: np.ndarray, model: Model) -> set[str]:
    return {finding["figure"] for finding in judge(images, model) if not finding["success"]}


@pytest.mark.parametrize("count", [1, 10, 100])
def test_test_images_raise_no_alarm_however_few_they_are(
    count: int, model: Model, images: np.ndarray
) -> None:
    assert alarms(images[:count], model) == set()


CHANGES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "inverted": (lambda images: 255 - images, "mean brightness"),
    "darker": (lambda images: images // 3, "mean brightness"),
    "flat": (lambda images: images // 4 + 50, "mean contrast"),
    "noisy": (lambda images: add_noise(images, 40), "mean zero_share"),
    "shifted": (lambda images: shift(images, 8), "predicted labels"),
    "foreign": (lambda images: draw_digits()[: len(images)], "mean zero_share"),
    "of one class": (lambda images: np.repeat(images[:1], 100, axis=0), "predicted labels"),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_images_of_another_kind_raise_an_alarm_that_names_the_figure(
    kind: str, model: Model, images: np.ndarray
) -> None:
    change, figure = CHANGES[kind]
    assert figure in alarms(change(images), model)


def test_a_figure_that_differs_is_told_with_both_numbers(model: Model, images: np.ndarray) -> None:
    (line,) = [
        line for line in describe_drift(judge(255 - images, model)) if line.startswith("mean bri")
    ]
    brightness = float((255 - images).mean())
    assert line.startswith(f"mean brightness: {brightness:.4g}; expected ")


def test_the_report_is_small_and_lies_beside_the_table(
    tmp_path: Path, model: Model, images: np.ndarray
) -> None:
    sample = Sample(model.read_reference())
    sample.add(images, model.classifier.predict(images))
    output = tmp_path / "table.parquet"
    report_drift(sample, classes=model.classes, limits=LIMITS, output=output)
    content = json.loads((tmp_path / "table.drift.json").read_text("utf-8"))
    assert content["images"] == 100
    assert [finding["success"] for finding in content["findings"]] == [True] * 5
    page = (tmp_path / "table.drift.md").read_text("utf-8")
    assert page.count("| ✓ |") == 5
    assert len(page) < 1000


def test_a_batch_without_a_readable_image_is_not_like_training(
    tmp_path: Path, model: Model
) -> None:
    """Great Expectations lets an empty table pass; nothing was compared here."""
    findings = report_drift(
        Sample(model.read_reference()),
        classes=model.classes,
        limits=LIMITS,
        output=tmp_path / "table.csv",
    )
    assert {finding["observed"] for finding in findings} == {"no images"}
    assert not any(finding["success"] for finding in findings)
