"""The MNIST family in any height and width; what doesn't fit params.yaml is refused."""

from pathlib import Path

import numpy as np
import pytest

from tasks.runner.errors import InputError
from tests.conftest import read_parameters
from tests.fixtures.make import write_idx
from tests.tasks.ingest.conftest import Ingest, make_pixels

LABELS = np.arange(30) % 3


def parameters(folder: Path) -> dict:
    places = {"system_folder": None, "urls": [], "debian_package": None}
    places |= {"files": read_parameters()["ingest"]["files"], "first_label": 0}
    return places | {"format": "idx", "path": str(folder), "timeout": 1.0, "sha256": None}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, prefix in enumerate(("train", "t10k")):
        pixels = make_pixels(30, seed=seed)
        write_idx(tmp_path / f"{prefix}-images-idx3-ubyte.gz", pixels[..., 0])
        write_idx(tmp_path / f"{prefix}-labels-idx1-ubyte.gz", LABELS)
    return tmp_path


def test_images_of_any_size_are_read_in_their_order(folder: Path, ingest: Ingest) -> None:
    found = ingest(parameters(folder))
    np.testing.assert_array_equal(found["train"].images, make_pixels(30))
    np.testing.assert_array_equal(found["test"].images, make_pixels(30, seed=1))
    np.testing.assert_array_equal(found["test"].labels, LABELS)


@pytest.mark.parametrize("changes", [{"height": 5}, {"width": 4}, {"channels": 3}])
def test_another_shape_than_that_of_the_parameters_is_refused(
    folder: Path, ingest: Ingest, changes: dict
) -> None:
    with pytest.raises(InputError, match=r"4 × 5 pixels in 1 channel; params\.yaml says"):
        ingest(parameters(folder), **changes)


def test_fewer_labels_than_images_are_refused(folder: Path, ingest: Ingest) -> None:
    write_idx(folder / "train-labels-idx1-ubyte.gz", LABELS[:29])
    with pytest.raises(InputError, match=r"30 images of train, but 29 labels"):
        ingest(parameters(folder))


def test_labels_outside_the_classes_are_counted(folder: Path, ingest: Ingest) -> None:
    write_idx(folder / "train-labels-idx1-ubyte.gz", np.full(30, 7))
    with pytest.raises(InputError, match=r"^30 images have labels outside 0 to 2, .*: 7 \(30\)"):
        ingest(parameters(folder))


def test_labels_may_count_from_another_number_and_files_have_names_of_their_own(
    folder: Path, ingest: Ingest
) -> None:
    files = {}
    for part, prefix in (("train", "train"), ("test", "t10k")):
        write_idx(folder / f"letters-{part}-labels.gz", LABELS + 1)
        files[f"{part}_labels"] = f"letters-{part}-labels"
        files[f"{part}_images"] = f"{prefix}-images-idx3-ubyte"
    found = ingest(parameters(folder) | {"files": files, "first_label": 1})
    np.testing.assert_array_equal(found["train"].labels, LABELS)
