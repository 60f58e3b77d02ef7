"""What ships says what the trained network says, for any number of raw images."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from scipy.special import log_softmax

from tasks.core.dataset import ImageSplit
from tasks.models.classifier import Classifier
from tasks.runner.errors import InputError
from tasks.train.build import build_network
from tasks.train.export import (
    Parity,
    compare,
    convert_to_litert,
    export,
    keras_file,
    require_parity,
    with_probabilities,
)
from tasks.train.parameters import TrainParameters
from tasks.train.quantize import convert_to_int8
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
    validator = Validator(network, ImageSplit(images, labels).all(), mirror=mirror)
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


def test_a_conversion_that_differs_is_refused_with_the_difference() -> None:
    probabilities, labels = np.full((2, 4), 0.25, np.float32), np.array([0, 1])

    def parity(found: np.ndarray) -> Parity:
        return compare(found, probabilities, labels, computes_in="float32")

    require_parity(parity(probabilities), tolerance=1e-5)
    for wrong in (probabilities + np.float32(0.1), probabilities * np.float32("nan")):
        with pytest.raises(InputError, match=r"export_tolerance"):
            require_parity(parity(wrong), tolerance=1e-5)


def test_agreement_and_lost_accuracy_are_shares_of_the_images() -> None:
    expected = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    found = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.4, 0.6]])
    parity = compare(found, expected, np.array([0, 0, 1, 0]), computes_in="int8")
    assert parity == ("int8", 0.75, 0.25, pytest.approx(0.4), pytest.approx(0.1))


@pytest.mark.parametrize("mirror", [False, True])
def test_in_integers_the_inside_computes_in_8_bits_and_the_answers_stay(
    network: keras.Model, images: np.ndarray, labels: np.ndarray, mirror: bool
) -> None:
    """Probabilities are as fine as those of float32, since what gives them isn't rounded."""
    validator = Validator(network, ImageSplit(images, labels).all(), mirror=mirror)
    classifier = with_probabilities(validator.served(), temperature=1.7)
    model = convert_to_int8(classifier, images[:100])
    assert model is not None
    assert model == convert_to_int8(classifier, images[:100])
    whole = convert_to_litert(classifier)
    assert len(model) < 0.5 * len(whole)
    expected = Classifier(whole).predict(images)
    for number in (1, 400):
        found = Classifier(model).predict(images[:number])
        assert 0 < np.abs(found - expected[:number]).max() < 0.1
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.97
    assert len(np.unique(found)) > 0.9 * len(np.unique(expected))
    kinds = {
        operation["op_name"]: tensor["dtype"]
        for operation, tensor in outputs_of(model)
        if operation["op_name"] in ("CAST", "SOFTMAX", "FULLY_CONNECTED", "REDUCE_MAX")
    }
    assert kinds == {
        "CAST": np.float32,
        "REDUCE_MAX": np.int8,
        "FULLY_CONNECTED": np.float32,
        "SOFTMAX": np.float32,
    }
    convolutions = [tensor for operation, tensor in outputs_of(model) if is_convolution(operation)]
    of_float = [tensor for tensor in convolutions if tensor["dtype"] == np.float32]
    assert len(of_float) == len(convolutions) // 4  # the first of four, in each view


def outputs_of(model: bytes) -> list[tuple[dict, dict]]:
    """Each operation, and what is known of its output."""
    interpreter = Interpreter(model_content=model)
    tensors = {tensor["index"]: tensor for tensor in interpreter.get_tensor_details()}
    operations = interpreter._get_ops_details()
    return [(operation, tensors[operation["outputs"][0]]) for operation in operations]


def is_convolution(operation: dict) -> bool:
    return operation["op_name"] == "CONV_2D"


def test_a_network_without_an_inside_stays_as_it_is(images: np.ndarray) -> None:
    pixels = keras.Input((28, 28, 1), dtype="uint8")
    features = keras.layers.Flatten()(keras.ops.cast(pixels, "float32"))
    network = keras.Model(pixels, keras.layers.Dense(10)(features))
    assert convert_to_int8(with_probabilities(network, temperature=1.0), images[:10]) is None


def test_integers_that_lose_too_much_are_told_and_float32_ships(
    network: keras.Model,
    recipe: TrainParameters,
    images: np.ndarray,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Ranges that are taken from black images hold for no other."""
    validator = Validator(network, ImageSplit(images, np.zeros(400, np.uint8)).all(), mirror=False)
    validator.labels = validator.logits().argmax(axis=1)  # all are right
    black = np.zeros((10, 28, 28, 1), np.uint8)
    exported = export(network, validator, recipe, calibration=black)
    assert exported.parity.computes_in == "float32"
    assert "train.max_export_loss allows 0.05: it ships in float32" in capsys.readouterr().out
    exported = export(network, validator, recipe, calibration=images[:100])
    assert exported.parity.computes_in == "int8"
    assert exported.parity.accuracy_lost <= 0.05
    assert exported.parity.agreement > 0.95
    whole = recipe.model_copy(update={"export": "float32"})
    assert export(network, validator, whole, calibration=black).parity.agreement == 1
