"""A row of figures describes an image truly, whatever its type and however large the array."""

import numpy as np
import pytest

from tasks.images import statistics
from tasks.images.statistics import describe_images


def test_the_figures_are_those_of_the_pixels() -> None:
    images = np.zeros((2, 2, 2, 1), np.uint8)
    images[1] = [[[0], [10]], [[20], [30]]]
    frame = describe_images(images)
    row = frame.iloc[1]
    assert (row["minimum"], row["maximum"], row["mean"], row["zero_share"]) == (0, 30, 15, 0.25)
    assert row["spread"] == pytest.approx(np.std([0, 10, 20, 30]))
    assert frame.iloc[0]["spread"] == 0


def test_equal_images_have_equal_content_and_others_do_not() -> None:
    images = np.random.default_rng(0).integers(0, 256, (50, 4, 4, 1), dtype=np.uint8)
    images[9] = images[3]
    content = describe_images(images)["content"]
    assert content[9] == content[3]
    assert content.nunique() == 49


def test_pixels_that_are_no_numbers_are_counted() -> None:
    images = np.ones((3, 2, 2, 1), np.float32)
    images[1, 0, 0] = np.nan
    images[2, 0] = np.inf
    assert describe_images(images)["not_finite"].tolist() == [0, 1, 2]


def test_no_images_give_no_rows() -> None:
    frame = describe_images(np.empty((0, 28, 28, 1), np.uint8))
    assert len(frame) == 0
    assert "content" in frame.columns


def test_the_chunks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).integers(0, 256, (100, 4, 4, 3), dtype=np.uint8)
    whole = describe_images(images)
    monkeypatch.setattr(statistics, "_CHUNK_PIXELS", 7 * 48)
    assert describe_images(images).equals(whole)
