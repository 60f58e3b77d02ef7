"""Images reach a page as they are, and what isn't an image or has no class is told apart."""

from typing import Any

import numpy as np
import pytest

from tasks.core.dataset import ImageSplit
from tasks.page.images import can_show, show_images
from tasks.page.render import make_environment
from tests.tasks.report.conftest import real_splits


def test_a_grey_image_keeps_its_pixels_and_a_large_one_becomes_a_thumbnail() -> None:
    real = real_splits()["test"].images[:1]
    assert show_images(real).startswith("data:image/png;base64,")
    large = np.random.default_rng(0).integers(0, 256, (8, 224, 224, 3), dtype=np.uint8)
    assert show_images(large).startswith("data:image/jpeg;base64,")
    assert len(show_images(large)) < 100_000


@pytest.mark.parametrize(
    ("images", "shown"),
    [
        (np.zeros((2, 28, 28, 1), np.uint8), True),
        (np.zeros((2, 8, 8, 3), np.uint8), True),
        (np.zeros((2, 28, 28, 1), np.float32), False),
        (np.zeros((2, 28, 28, 1), np.uint16), False),
        (np.zeros((2, 1, 28, 28), np.uint8), False),
        (np.zeros((2, 28, 28), np.uint8), False),
    ],
)
def test_only_arrays_of_grey_or_coloured_bytes_are_shown(images: np.ndarray, shown: bool) -> None:
    assert can_show(images) == shown


def test_a_label_that_names_no_class_is_named_as_it_is() -> None:
    split = ImageSplit(np.zeros((3, 2, 2, 1), np.uint8), np.array([1, 200], np.uint8))
    name_label: Any = make_environment(
        "tasks.validate", {"train": split}, classes=("cat", "dog")
    ).globals["name_label"]
    names = [name_label("train", position) for position in range(3)]
    assert names == ["dog", "label 200", "no label"]
