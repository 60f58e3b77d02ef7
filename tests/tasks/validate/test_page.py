"""The guard's page shows the images behind each finding, whatever the data has become."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from benchmarks.corruptions import CORRUPTIONS, Splits
from tasks.core import paths
from tasks.core.dataset import ImageSplit, Selection, SplitName, save_splits
from tasks.validate.judge import is_critical
from tasks.validate.labels import look_at_labels
from tasks.validate.page import render_findings
from tasks.validate.parameters import Suspicion
from tasks.validate.verdict import validate, validate_labels
from tests.conftest import PROJECT, environment, write_parameters


def render(splits: Splits, parameters: SimpleNamespace) -> str:
    _, findings = validate(splits, data=parameters.data, limits=parameters.validate)
    return render_findings(findings, splits, pd.DataFrame(), data=parameters.data, num_shown=3)


def copied(splits: Splits) -> Splits:
    """A test image that is a training image, too."""
    images = np.array(splits["train"].images)
    images[7] = splits["test"].images[3]
    return {**splits, "train": ImageSplit(images, splits["train"].labels)}


def test_good_data_is_said_to_be_good(splits: Splits, parameters: SimpleNamespace) -> None:
    page = render(splits, parameters)
    assert "✓ Accepted" in page
    assert "<img" not in page


def test_a_duplicate_is_shown_as_a_pair(splits: Splits, parameters: SimpleNamespace) -> None:
    page = render(copied(splits), parameters)
    assert "✗ Refused" in page
    assert len(re.findall("<img", page)) == 2
    first, second = re.findall(r'src="(data:[^"]+)" alt="(?:test image 3|train image 7), ', page)
    assert first == second


def test_a_finding_about_a_whole_split_is_shown_by_its_first_images_and_their_labels(
    splits: Splits, parameters: SimpleNamespace
) -> None:
    labels = np.random.default_rng(0).permutation(splits["train"].labels)
    page = render({**splits, "train": ImageSplit(splits["train"].images, labels)}, parameters)
    shown = re.findall(r'alt="train image (\d+), labelled ([^"]+)"', page)
    expected = [
        (str(position), parameters.data.classes[label])
        for position, label in enumerate(labels[:16])
    ]
    assert shown == expected


def test_the_most_suspicious_labels_are_shown_with_what_they_look_like(
    splits: Splits, parameters: SimpleNamespace
) -> None:
    """Four trousers are labelled as bags."""
    train = splits["train"]
    flipped = np.flatnonzero(train.labels == 1)[:4]
    labels = np.array(train.labels)
    labels[flipped] = 8
    changed: Splits = {**splits, "train": ImageSplit(train.images, labels)}
    suspicious, findings = validate_labels(
        changed["train"], data=parameters.data, limits=parameters.validate
    )
    assert findings == []
    page = render_findings([], changed, suspicious, data=parameters.data, num_shown=len(suspicious))
    shown = re.findall(r'alt="train image (\d+), labelled Bag, looks like Trouser"', page)
    assert set(shown) <= {str(position) for position in flipped}
    assert len(shown) >= 3


def test_more_suspicious_labels_than_in_the_accepted_data_stop_the_pipeline(
    splits: Splits, parameters: SimpleNamespace
) -> None:
    """A hundred times as many images were accepted, with the same share of suspicious labels."""
    train, classes = splits["train"], len(parameters.data.classes)
    _, counts = look_at_labels(train, num_classes=classes, seed=parameters.validate.seed)
    accepted = Suspicion(
        **{name: [100 * count for count in values] for name, values in counts.model_dump().items()}
    )
    limits = parameters.validate.model_copy(update={"accepted_labels": accepted})
    _, (finding,) = validate_labels(train, data=parameters.data, limits=limits)
    assert finding["success"]
    labels = np.array(train.labels)
    labels[np.flatnonzero(labels == 1)[:10]] = 8
    wrong = ImageSplit(train.images, labels)
    _, (finding,) = validate_labels(wrong, data=parameters.data, limits=limits)
    assert is_critical(finding)
    assert finding["observed"].startswith("Trouser")  # what ten of the bags look like


@pytest.mark.parametrize(
    "name",
    [
        "channels first",
        "empty split",
        "labels missing",
        "labels outside the classes",
        "NaN in float pixels",
        "pixels as uint16",
    ],
)
def test_data_of_any_kind_can_be_shown_or_is_left_out(
    name: str, splits: Splits, parameters: SimpleNamespace
) -> None:
    corruption = next(corruption for corruption in CORRUPTIONS if corruption.name == name)
    page = render(corruption.change(splits, 1.0, np.random.default_rng(0)), parameters)
    assert "✗ Refused" in page
    assert str(corruption.check) in page


def test_the_stage_refuses_in_words_and_shows_the_images_and_says_nothing_else(
    splits: Splits, parameters: SimpleNamespace, small_parameters: dict, tmp_path: Path
) -> None:
    """One line per broken expectation: no progress bar, no word of Great Expectations' own."""
    write_parameters(tmp_path, small_parameters)
    spoilt: dict[SplitName, Selection] = {
        name: split.all() for name, split in copied(splits).items()
    }
    save_splits(tmp_path / paths.RAW, spoilt, origin=None)
    completed = subprocess.run(
        [sys.executable, "-m", "tasks.validate"],
        cwd=tmp_path,
        env=environment() | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 1
    assert completed.stdout == ""
    check = "test images that are training images"
    assert completed.stderr.splitlines() == [
        f"validate: test: {check}: found 1 image; expected none (first at 3)",
        "validate: reports/validation.html shows the images. Mend the data, then run: dvc repro",
    ]
    assert "test image 3" in (tmp_path / paths.VALIDATION_PAGE).read_text("utf-8")
