"""Two runs of the archive are compared on the test images that both had, and in words."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks.core.files import write_json
from tasks.models.data import IMAGES_NAME
from tasks.runner.errors import InputError
from workspace.archive import RECORD_NAME
from workspace.compare import compare_runs

CLASSES = ("cat", "dog")
LABELS = np.repeat([0, 1], 50)


def make_run(
    archive: Path,
    name: str,
    *,
    images: range,
    wrong: range = range(0),
    classes: tuple[str, ...] = CLASSES,
    **more: object,
) -> Path:
    """A run on some of a hundred images, of which it got some wrong."""
    folder = archive / name
    folder.mkdir(parents=True)
    numbers = np.array(images)
    labels = np.array([classes.index(CLASSES[label]) for label in LABELS[numbers]])
    predicted = np.where(np.isin(numbers, wrong), 1 - labels, labels)
    answers = pd.DataFrame({"label": labels, "predicted": predicted})
    answers.to_parquet(folder / "predictions.parquet")
    pd.DataFrame(
        {
            "split": "test",
            "content": numbers.astype(np.uint64),
            "label": np.array(classes, object)[labels],
            "mean": np.float32(1),
            "spread": np.float32(1),
            "zero_share": np.float32(0),
        }
    ).to_parquet(folder / IMAGES_NAME)
    run = {
        "name": name,
        "started": datetime(2026, 5, 4, tzinfo=UTC).isoformat(),
        "seconds": 1.0,
        "outcomes": {},
        "reasons": {},
        "failure": None,
        "commit": None,
        "edited": [],
        "accuracy": [0.9, 0.8, 1.0],
        "recalls": dict.fromkeys(classes, 0.9),
        "images": {"test": len(images)},
        "decision": None,
        "champion": None,
        "pending": None,
        "candidate": None,
        "parameters": {"train.epochs": 4},
        "code": {},
        "data": f"{images}",
    }
    write_json(folder / RECORD_NAME, run | more)
    return folder


def test_on_the_same_images_the_answers_are_compared_by_class(tmp_path: Path) -> None:
    before = make_run(tmp_path, "a", images=range(100), wrong=range(12))
    after = make_run(
        tmp_path, "b", images=range(100), wrong=range(2), parameters={"train.epochs": 6}
    )
    told = list(compare_runs(before, after))
    assert told[:3] == ["a → b", "  train.epochs: 4 → 6", "on the 100 test images of both:"]
    assert told[3].startswith("  all: 88.00% → 98.00% right (10 gained, 0 lost): better, p = 0.002")
    assert told[4].startswith("  cat: 76.00% → 96.00% right (10 gained, 0 lost): better")
    assert told[5].startswith("  dog: 100.00% → 100.00% right (0 gained, 0 lost): no clear")


def test_on_other_images_the_shared_ones_are_compared_and_what_came_and_went_is_told(
    tmp_path: Path,
) -> None:
    before = make_run(tmp_path, "a", images=range(80), wrong=range(12))
    after = make_run(tmp_path, "b", images=range(5, 100), wrong=range(90, 95))
    told = list(compare_runs(before, after))
    assert told[1:4] == [
        "  data: test 80 → 95 images",
        "  test images: 20 came (dog 20), 5 went (cat 5)",
        "on the 75 test images that both have:",
    ]
    assert "(7 gained, 0 lost)" in told[4]


def test_classes_in_another_order_are_matched_by_name(tmp_path: Path) -> None:
    before = make_run(tmp_path, "a", images=range(100), wrong=range(12))
    after = make_run(tmp_path, "b", images=range(100), wrong=range(12), classes=("dog", "cat"))
    assert "the same answers" in list(compare_runs(before, after))[2]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"accuracy": None, "failure": "no memory"}, "b has no result.*it failed: no memory"),
        ({"images": range(90, 100)}, "no test image in common"),
        ({"recalls": {"cat": 1.0, "fox": 1.0}}, "other classes: cat, dog; cat, fox"),
    ],
)
def test_what_cannot_be_compared_is_said(tmp_path: Path, more: dict, told: str) -> None:
    before = make_run(tmp_path, "a", images=range(50))
    wanted: dict = {"images": range(50)} | more
    after = make_run(tmp_path, "b", **wanted)
    with pytest.raises(InputError, match=told):
        list(compare_runs(before, after))
