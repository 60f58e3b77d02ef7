"""A trained network as files: for Keras, and as the model that ships."""

import io
import json
import tempfile
import zipfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from scipy.special import log_softmax

from tasks.models.classifier import Classifier
from tasks.runner.errors import InputError
from tasks.runner.quiet import quiet
from tasks.train.computation import TABLE_WIDTH
from tasks.train.parameters import TrainParameters
from tasks.train.served import Validator, fit_temperature

# Keras writes the present time at two places, and addresses in memory as the names of objects that
# layers share. Without them, the same weights give the same bytes.
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)


class Exported(NamedTuple):
    """What ships, and what is known of it.

    Attributes:
        litert: the model that ships, from uint8 images to probabilities.
        keras: the bytes of a .keras file, to go on training with; the summary shows its layers.
        temperature: that its logits are divided by.
        probabilities: (n, classes) float32 of the validation split, by the model that ships.
        difference: the largest between these and the trained network's.

    """

    litert: bytes
    keras: bytes
    summary: str
    num_parameters: int
    temperature: float
    probabilities: np.ndarray
    difference: float


def export(network: keras.Model, validator: Validator, parameters: TrainParameters) -> Exported:
    """Fits the temperature and converts the network.

    Raises:
        InputError: what was converted isn't what was trained.

    """
    logits = validator.logits()
    temperature = fit_temperature(logits, validator.labels)
    litert = convert_to_litert(with_probabilities(validator.served(), temperature=temperature))
    probabilities = Classifier(litert, num_threads=parameters.threads).predict(validator.images)
    expected = np.exp(log_softmax(logits / temperature, axis=1))
    return Exported(
        litert=litert,
        keras=keras_file(with_probabilities(network, temperature=temperature)),
        summary=tabulate_layers(network),
        num_parameters=network.count_params(),
        temperature=temperature,
        probabilities=probabilities,
        difference=check_parity(probabilities, expected, tolerance=parameters.export_tolerance),
    )


def keras_file(model: keras.Model) -> bytes:
    """A .keras file that holds the same bytes for the same weights."""
    output = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        with zipfile.ZipFile(path) as source, zipfile.ZipFile(output, "w") as target:
            for entry in source.infolist():
                content = source.read(entry)
                if entry.filename == "metadata.json":
                    metadata = json.loads(content)
                    metadata.pop("date_saved", None)
                    content = json.dumps(metadata, sort_keys=True).encode()
                elif entry.filename == "config.json":
                    content = _with_numbered_objects(content)
                target.writestr(zipfile.ZipInfo(entry.filename, _FIXED_TIME), content)
    return output.getvalue()


def _with_numbered_objects(config: bytes) -> bytes:
    numbers: dict[int, int] = {}

    def number_objects(values: dict[str, object]) -> dict[str, object]:
        address = values.get("shared_object_id")
        if isinstance(address, int):
            values["shared_object_id"] = numbers.setdefault(address, len(numbers))
        return values

    return json.dumps(json.loads(config, object_hook=number_objects)).encode()


def tabulate_layers(network: keras.Model) -> str:
    """Its layers, as a text table, the same under every locale and in every terminal."""
    lines: list[str] = []
    # The printer looks at standard output for letters that it may use.
    with redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")):
        network.summary(line_length=TABLE_WIDTH, print_fn=lambda line, **_: lines.append(line))
    return "\n".join(lines) + "\n"


def with_probabilities(model: keras.Model, *, temperature: float) -> keras.Model:
    """A model that gives probabilities where the given one gives logits."""
    logits = layers.Rescaling(1 / temperature, name="temperature")(model.outputs[0])
    probabilities = layers.Softmax(name="probabilities")(logits)
    return keras.Model(model.inputs, probabilities, name="classifier")


def convert_to_litert(classifier: keras.Model) -> bytes:
    """A flatbuffer from (n, height, width, channels) uint8 to (n, classes) float32."""
    with quiet():
        return tf.lite.TFLiteConverter.from_keras_model(classifier).convert()


def check_parity(exported: np.ndarray, expected: np.ndarray, *, tolerance: float) -> float:
    """The largest difference between two (n, classes) arrays of probabilities.

    Raises:
        InputError: it exceeds the tolerance, so that the exported model isn't the trained one.

    """
    difference = float(np.abs(exported - expected).max())
    if not difference <= tolerance:
        raise InputError(
            f"The exported model differs from the trained one by {difference:.2g} in a probability;"
            f" train.export_tolerance in params.yaml allows {tolerance:.2g}"
        )
    return difference
