"""The validation split depends on the images' content alone."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.prepare.stage import require_valid, split_indices
from tasks.runner.errors import InputError

CLASSES = ("a", "b", "c")


def make_images(number: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (number, 4, 4, 1), dtype=np.uint8)
    return images, (np.arange(number) % len(CLASSES)).astype(np.uint8)


def split(
    images: np.ndarray, labels: np.ndarray, share: float = 0.2, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    return split_indices(images, labels, validation_share=share, seed=seed, classes=CLASSES)


@given(st.integers(6, 300), st.floats(0.01, 0.99), st.integers(0, 2**31 - 1))
def test_every_image_is_on_one_side_and_every_class_on_both(
    number: int, share: float, seed: int
) -> None:
    images, labels = make_images(number, seed)
    training, validation = split(images, labels, share, seed)
    np.testing.assert_array_equal(np.union1d(training, validation), np.arange(number))
    assert len(training) + len(validation) == number
    assert set(labels[training]) == set(labels[validation]) == {0, 1, 2}


def test_the_order_of_the_images_does_not_matter() -> None:
    images, labels = make_images(300)
    order = np.random.default_rng(1).permutation(300)
    _, validation = split(images, labels)
    _, reordered = split(images[order], labels[order])
    np.testing.assert_array_equal(np.sort(order[reordered]), validation)


def test_adding_images_moves_none_of_the_old_ones() -> None:
    images, labels = make_images(300)
    more, more_labels = make_images(90, seed=1)
    _, validation = split(images, labels)
    _, extended = split(np.concatenate([images, more]), np.concatenate([labels, more_labels]))
    np.testing.assert_array_equal(extended[extended < 300], validation)


def test_identical_images_are_on_the_same_side() -> None:
    images, labels = make_images(300)
    _, validation = split(np.concatenate([images, images]), np.concatenate([labels, labels]))
    np.testing.assert_array_equal(validation[validation < 300], validation[validation >= 300] - 300)


def test_each_class_gives_about_its_share() -> None:
    """Within four standard deviations of a binomial distribution."""
    images, labels = make_images(9000)
    _, validation = split(images, labels, 0.1)
    counts = np.bincount(labels[validation])
    assert np.abs(counts - 300).max() < 4 * np.sqrt(3000 * 0.1 * 0.9)


def test_another_seed_gives_another_split() -> None:
    images, labels = make_images(300)
    assert set(split(images, labels, seed=0)[1]) != set(split(images, labels, seed=1)[1])


def test_a_class_with_one_image_is_refused_by_name() -> None:
    images, labels = make_images(300)
    labels = np.where(labels == 2, 1, labels)
    labels[7] = 2
    with pytest.raises(
        InputError,
        match=r"needs 2 different images, one each to train and validate on; class 2 \(c\) has 1\.",
    ):
        split(images, labels)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"success": "yes"}', '{"success": false}'])
def test_data_without_a_positive_verdict_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "validation.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"validation\.json"):
        require_valid(path)


def test_data_with_a_positive_verdict_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "validation.json"
    path.write_text(json.dumps({"success": True}))
    require_valid(path)
