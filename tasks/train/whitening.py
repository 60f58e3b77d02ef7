"""A first convolution that starts by taking patches apart into uncorrelated parts."""

from typing import Any

import keras
import numpy as np

from tasks.core.dataset import Selection
from tasks.runner.errors import InputError

_PIXELS = 1_600_000  # enough for the covariance of small patches; few, so that this takes no time
_LEAST_VARIANCE = 5e-4  # of pixels in 0..1; directions in which patches hardly vary stay small


def whiten_first_convolution(network: keras.Model, training: Selection) -> None:
    """Replaces the random kernel of the first convolution by whitening filters; it is then trained.

    Some of the training images are looked at, evenly spaced. Where the kernel has more filters than
    a patch has pixels, the others stay random.

    Raises:
        InputError: it has no convolution that looks at pixels.

    """
    convolution: Any = _find_convolution(network)
    shape: Any = () if convolution is None else tuple(convolution.kernel.shape)
    channels = network.input_shape[-1]
    if convolution is None or shape[0] != shape[1] or shape[2] != channels:
        raise InputError(
            f"train.whitening is true, but {network.name} has no convolution to start with that"
            f" looks at squares of {channels} channels; found {shape or 'none'}. Set"
            " train.whitening: false in params.yaml"
        )
    kernel, *bias = convolution.get_weights()
    num_images = max(1, _PIXELS // training.source.images[0].size)
    step = max(1, len(training.positions) // num_images)
    images = training.take(np.arange(0, len(training.positions), step))
    filters = whitening_filters(images, size=kernel.shape[0])[..., : kernel.shape[3]]
    kernel[..., : filters.shape[3]] = filters
    convolution.set_weights([kernel, *bias])


def _find_convolution(network: keras.Model) -> Any:
    """The first one, also inside of nested models."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            layer = _find_convolution(layer)
        if isinstance(layer, keras.layers.Conv2D):
            return layer
    return None


def whitening_filters(images: np.ndarray, *, size: int) -> np.ndarray:
    """Filters whose outputs, over patches of the images, are uncorrelated and vary by about 1.

    They are the eigenvectors of the patches' covariance, each divided by the standard deviation
    along it. Source: https://github.com/KellerJordan/cifar10-airbench, which keeps them fixed.

    (n, height, width, channels) uint8 images in 0..255, in patches of `size` pixels to a side →
    (size, size, channels, size · size · channels) float32, for pixels in 0..1, the direction of the
    largest variance first.
    """
    pixels = images / np.float32(255)
    patches = np.lib.stride_tricks.sliding_window_view(pixels, (size, size), axis=(1, 2))
    patches = patches[:, ::size, ::size].transpose(0, 1, 2, 4, 5, 3)
    shape = patches.shape[3:]
    covariance = np.cov(patches.reshape(-1, np.prod(shape)), rowvar=False)
    variances, directions = np.linalg.eigh(covariance)
    filters = directions / np.sqrt(variances + _LEAST_VARIANCE)
    return filters[:, ::-1].reshape(*shape, -1).astype(np.float32)
