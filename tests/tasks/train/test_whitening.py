"""The first convolution starts with filters that take patches apart."""

import numpy as np
import pytest

from tasks.core.dataset import ImageSplit
from tasks.train.build import build_network
from tasks.train.whitening import whiten_first_convolution, whitening_filters


@pytest.fixture
def images() -> np.ndarray:
    """(50, 12, 12, 2) uint8: neighbouring pixels and both channels are alike."""
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(50, 14, 14, 2)).cumsum(axis=1).cumsum(axis=2)
    smooth = noise[:, 2:, 2:] + noise[:, :-2, :-2]
    smooth += smooth[..., ::-1] / 2
    return np.clip(128 + 8 * smooth, 0, 255).astype(np.uint8)


def test_what_the_filters_give_is_uncorrelated_and_varies_by_one(images: np.ndarray) -> None:
    filters = whitening_filters(images, size=2)
    assert filters.shape == (2, 2, 2, 8)
    patches = (images / 255).reshape(50, 6, 2, 6, 2, 2).transpose(0, 1, 3, 2, 4, 5).reshape(-1, 8)
    before = np.cov(patches, rowvar=False)
    after = np.cov(patches @ filters.reshape(8, 8), rowvar=False)
    assert np.abs(np.corrcoef(patches, rowvar=False)).min() > 0.3
    np.testing.assert_allclose(after, np.diag(np.diag(after)), atol=1e-4)
    variances = np.sort(np.linalg.eigvalsh(before))[::-1]
    np.testing.assert_allclose(np.diag(after), variances / (variances + 5e-4), rtol=1e-3)


def test_a_direction_in_which_nothing_varies_gives_no_number_that_is_not_finite() -> None:
    filters = whitening_filters(np.full((3, 8, 8, 1), 7, np.uint8), size=4)
    assert np.isfinite(filters).all()


@pytest.mark.parametrize(("architecture", "replaced"), [("light", 16), ("article", 18)])
def test_filters_beyond_the_pixels_of_a_patch_stay_random(
    images: np.ndarray, architecture: str, replaced: int
) -> None:
    large = np.tile(images, (1, 2, 2, 1))
    network = build_network(architecture, image_shape=(24, 24, 2), num_classes=3)
    before = network.get_weights()
    selection = ImageSplit(large, np.zeros(50, np.uint8)).all()
    whiten_first_convolution(network, selection)
    after = network.get_weights()
    size = before[0].shape[0]
    expected = whitening_filters(large, size=size)[..., :replaced]
    np.testing.assert_array_equal(after[0][..., :replaced], expected)
    np.testing.assert_array_equal(after[0][..., replaced:], before[0][..., replaced:])
    for old, new in zip(before[1:], after[1:], strict=True):
        np.testing.assert_array_equal(old, new)
