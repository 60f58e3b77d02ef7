"""The model's own kind of images raises no alarm; inverted, shifted, noisy and foreign ones do."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.drift import add_noise, draw_digits, shift
from tasks.drift.batch import Batch, describe_batch
from tasks.drift.judge import DriftFinding, describe_drift, judge_drift
from tasks.drift.report import claim_pages, report_drift
from tasks.predict.model import Model
from tasks.runner.errors import InputError
from tests.conftest import read_parameters, typed

LIMITS = typed(read_parameters()).drift
IMAGE_FIGURES = {"mean brightness", "mean contrast", "mean zero_share"}


def judge(images: np.ndarray, model: Model) -> list[DriftFinding]:
    batch = describe_batch(images, model.classifier.predict(images))
    return judge_drift(batch, model.read_reference(), classes=model.classes, limits=LIMITS)


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
    batch = describe_batch(images, model.classifier.predict(images))
    report_drift(batch, model, limits=LIMITS, output=tmp_path / "table.parquet")
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
    nothing = describe_batch(np.empty((0, 28, 28, 1), np.uint8), np.empty((0, 10), np.float32))
    findings = report_drift(nothing, model, limits=LIMITS, output=tmp_path / "table.csv")
    assert {finding["observed"] for finding in findings} == {"no images"}
    assert not any(finding["success"] for finding in findings)


def test_batches_add_up_to_the_whole_in_whatever_parts(model: Model, images: np.ndarray) -> None:
    probabilities = model.classifier.predict(images)
    whole = describe_batch(images, probabilities)
    parts = [
        describe_batch(images[part], probabilities[part])
        for part in (slice(0, 1), slice(1, 60), slice(60, 60), slice(60, 100))
    ]
    added = parts[0] + parts[1] + parts[2] + parts[3]
    assert added.num_images == 100
    np.testing.assert_array_equal(added.counts, whole.counts)
    np.testing.assert_array_equal(added.label_counts, whole.label_counts)
    np.testing.assert_allclose(added.sums, whole.sums)
    again = Batch.from_json(json.loads(json.dumps(added.to_json())))
    np.testing.assert_array_equal(again.sums, added.sums)


@pytest.mark.parametrize("name", ["day.drift.json", "day.drift.md"])
def test_a_page_that_is_somebodys_is_never_replaced(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text('{"mine": 1}')
    with pytest.raises(InputError, match=r"nothing about drift.*Name another output"):
        claim_pages(tmp_path / "day.csv")
    assert (tmp_path / name).read_text() == '{"mine": 1}'


def test_findings_of_an_earlier_prediction_are_replaced(
    tmp_path: Path, model: Model, images: np.ndarray
) -> None:
    for number in (100, 50):
        batch = describe_batch(images[:number], model.classifier.predict(images[:number]))
        report_drift(batch, model, limits=LIMITS, output=tmp_path / "day.csv")
    assert json.loads((tmp_path / "day.drift.json").read_text("utf-8"))["images"] == 50
