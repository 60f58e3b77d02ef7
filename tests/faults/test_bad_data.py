"""The images or the labels went wrong before they reached the pipeline, which had run before."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tasks.images.arrays import parse_idx
from tests.conftest import FIXTURE, read_small_parameters, write_parameters
from tests.faults.rig import run, stages_run
from tests.fixtures.make import write_idx

pytestmark = pytest.mark.faults(
    "empty data, missing class, not-a-number, label out of range, pixels out of range, swapped"
    " labels",
    "validation fails, or what is no byte or no class is refused by ingest; training doesn't start,"
    " one line says why, the old report is marked",
)

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
Change = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def read_fixture(name: str, num_dimensions: int) -> np.ndarray:
    content = gzip.decompress((FIXTURE / f"{name}.gz").read_bytes())
    return parse_idx(content, name=name, num_dimensions=num_dimensions)


def spoil(root: Path, change: Change) -> None:
    """Replaces the training data in data/source."""
    images, labels = change(read_fixture(IMAGES, 3), read_fixture(LABELS, 1))
    source = root / "data" / "source"
    write_idx(source / f"{IMAGES}.gz", images)
    write_idx(source / f"{LABELS}.gz", labels)
    parameters = read_small_parameters()
    parameters["data"]["train_images"] = None
    write_parameters(root, parameters)


def swapped(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each label belongs to another image."""
    return images, np.random.default_rng(0).permutation(labels)


def without_a_class(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return images[labels != 3], labels[labels != 3]


def out_of_range(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return images, np.where(np.arange(len(labels)) == 7, 200, labels)


def divided(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return images // 255, labels


def empty(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return images[:0], labels[:0]


def require_refusal(root: Path, stage: str) -> str:
    """The run ends with the stage, nothing is trained, and the old report says that it is old."""
    completed = run("dvc", "repro", root=root, check=False)
    assert completed.returncode != 0
    assert stages_run(completed.stdout)[-1] == stage
    assert "Traceback" not in completed.stdout
    page = (root / "reports" / "report.html").read_text("utf-8")
    assert "Out of date." in page
    assert f"the stage {stage} has failed" in page
    status = run("cli", "status", root=root, check=False)
    assert status.returncode == 1
    return completed.stdout


def test_swapped_labels_are_refused(finished: Path) -> None:
    require_invalid(finished, swapped)


@pytest.mark.long
@pytest.mark.parametrize("change", [without_a_class, divided, empty])
def test_bad_data_is_refused(finished: Path, change: Change) -> None:
    require_invalid(finished, change)


def require_invalid(root: Path, change: Change) -> None:
    spoil(root, change)
    output = require_refusal(root, "validate")
    assert "validate: " in output
    verdict = json.loads((root / "reports" / "validation.json").read_text("utf-8"))
    assert verdict["success"] is False


@pytest.mark.long
def test_a_label_out_of_range_is_refused_before_anything_is_written(finished: Path) -> None:
    spoil(finished, out_of_range)
    assert "1 images have labels outside 0 to 9" in require_refusal(finished, "ingest")


@pytest.mark.long
def test_not_a_number_is_refused_as_the_file_s_kind(finished: Path) -> None:
    """IDX knows floats, which could be NaN; the pipeline takes bytes alone."""
    floats = np.full(read_fixture(IMAGES, 3).shape, np.nan, ">f4")
    header = bytes([0, 0, 13, 3]) + np.array(floats.shape, ">u4").tobytes()
    path = finished / "data" / "source" / f"{IMAGES}.gz"
    path.write_bytes(gzip.compress(header + floats.tobytes()))
    parameters = read_small_parameters()
    parameters["ingest"] |= {"system_folder": "nowhere", "urls": []}
    write_parameters(finished, parameters)
    assert "expected 00 00 08 03" in require_refusal(finished, "ingest")
