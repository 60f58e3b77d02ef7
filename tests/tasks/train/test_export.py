"""What ships says what the trained network says, for any number of raw images."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from scipy.special import log_softmax

from tasks.core.dataset import ImageSplit
from tasks.models.classifier import Classifier
from tasks.runner.errors import InputError
from tasks.train.build import build_network
from tasks.train.export import check_parity, convert_to_litert, keras_file, with_probabilities
from tasks.train.served import Validator

# Keras converts its variables in NumPy's old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


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
    network: keras.Model, images: np.ndarray, labels: np.ndarray, mirror: bool
) -> None:
    validator = Validator(network, ImageSplit(images, labels), mirror=mirror)
    model = convert_to_litert(with_probabilities(validator.served(), temperature=1.7))
    classifier = Classifier(model)
    logits = np.asarray(network(images.astype(np.float32)))
    if mirror:
        logits = (logits + np.asarray(network(images[:, :, ::-1].astype(np.float32)))) / 2
    expected = np.exp(log_softmax(logits.astype(np.float64) / 1.7, axis=1))
    for number in (1, 7, 256, 400):
        found = classifier.predict(images[:number])
        assert found.shape == (number, 10)
        np.testing.assert_allclose(found, expected[:number], atol=1e-5)
    assert b"Rsqrt" not in model  # whose bits each maker of processors chooses


def test_a_keras_file_has_the_same_bytes_twice_and_plain_keras_reads_it(
    network: keras.Model, images: np.ndarray, tmp_path: Path
) -> None:
    model = with_probabilities(network, temperature=2.0)
    content = keras_file(model)
    assert content == keras_file(model)
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    pixels = images[:3].astype(np.float32)
    loaded: Any = keras.models.load_model(path)
    np.testing.assert_allclose(np.asarray(loaded([pixels])), np.asarray(model([pixels])), atol=1e-6)


def test_an_exported_model_that_differs_is_refused_with_the_difference() -> None:
    probabilities = np.full((2, 4), 0.25, np.float32)
    assert check_parity(probabilities, probabilities, tolerance=1e-5) == 0
    for wrong in (probabilities + np.float32(0.1), probabilities * np.float32("nan")):
        with pytest.raises(InputError, match=r"export_tolerance"):
            check_parity(wrong, probabilities, tolerance=1e-5)
