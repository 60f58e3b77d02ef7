"""What ships says what the trained network says, for any number of raw images."""

import keras
import numpy as np
import pytest

from tasks.models.classifier import Classifier
from tasks.train.export import convert_to_litert, make_served
from tasks.train.networks import build_network


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """With normalization layers that are no longer the identity."""
    keras.utils.set_random_seed(1)
    network = build_network("residual", image_shape=(28, 28, 1), num_classes=10)
    generator = np.random.default_rng(1)
    network.set_weights(
        [
            weight * generator.uniform(0.7, 1.3, weight.shape).astype(weight.dtype)
            for weight in network.get_weights()
        ]
    )
    return network


@pytest.mark.parametrize("mirror", [False, True])
def test_the_exported_model_agrees_with_keras_for_any_number_of_images(
    network: keras.Model, images: np.ndarray, mirror: bool
) -> None:
    served = make_served(network, mirror=mirror)
    classifier = Classifier(convert_to_litert(served))
    expected = served.predict(images, verbose=0)  # pyright: ignore[reportArgumentType]
    for number in (1, 7, 256, 400):
        found = classifier.predict(images[:number])
        assert found.shape == (number, 10)
        np.testing.assert_allclose(found, expected[:number], atol=1e-5)
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_averaged_with_its_mirror_image_either_gives_the_same(
    network: keras.Model, images: np.ndarray
) -> None:
    model = Classifier(convert_to_litert(make_served(network, mirror=True)))
    plain = Classifier(convert_to_litert(make_served(network, mirror=False)))
    mirrored = np.ascontiguousarray(images[:, :, ::-1])
    np.testing.assert_allclose(model.predict(images), model.predict(mirrored), atol=1e-6)
    assert np.abs(plain.predict(images) - plain.predict(mirrored)).max() > 1e-3
