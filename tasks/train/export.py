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
from tasks.train.quantize import convert_to_int8
from tasks.train.served import Validator, fit_temperature

# Keras writes the present time at two places, and addresses in memory as the names of objects that
# layers share. Without them, the same weights give the same bytes.
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)


class Exported(NamedTuple):
    """What ships, and what is known of it."""

    litert: bytes  # the model that ships, from uint8 images to probabilities
    keras: bytes  # a .keras file, to go on training with
    summary: str  # its layers
    num_parameters: int
    temperature: float  # that its logits are divided by
    probabilities: np.ndarray  # (n, classes) float32 of the validation split, by what ships
    parity: "Parity"


class Parity(NamedTuple):
    """How the model that ships agrees with the trained network, on the validation split."""

    computes_in: str  # int8 or float32, the model that ships
    agreement: float  # the share of images that both give the same class
    accuracy_lost: float  # the trained network's less the shipped model's
    largest_difference: float  # between their probabilities
    mean_difference: float  # between their probabilities, in absolute value


def export(
    network: keras.Model,
    validator: Validator,
    parameters: TrainParameters,
    *,
    calibration: np.ndarray,
) -> Exported:
    """Fits the temperature and converts the network, to integers if it loses too little by that.

    From (n, height, width, channels) training images, the ranges of integers are taken.

    Raises:
        InputError: what was converted isn't what was trained.

    """
    logits = validator.logits()
    temperature = fit_temperature(logits, validator.labels)
    expected = np.exp(log_softmax(logits / temperature, axis=1))
    classifier = with_probabilities(validator.served(), temperature=temperature)

    def try_out(model: bytes, computes_in: str) -> tuple[bytes, np.ndarray, Parity]:
        shipped = Classifier(model, num_threads=parameters.threads)
        found = np.concatenate([shipped.predict(chunk) for chunk in validator.held_out.chunks()])
        return model, found, compare(found, expected, validator.labels, computes_in=computes_in)

    shipped = try_out(convert_to_litert(classifier), "float32")
    require_parity(shipped[2], tolerance=parameters.export_tolerance)
    if parameters.export == "int8":
        integers = convert_to_int8(classifier, calibration)
        if integers is None:
            print("nothing of the network can be computed in 8-bit integers: it ships in float32")
        elif (tried := try_out(integers, "int8"))[2].accuracy_lost <= parameters.max_export_loss:
            shipped = tried
        else:
            print(
                f"in 8-bit integers, the model would lose {tried[2].accuracy_lost:.4f} of its"
                f" validation accuracy; train.max_export_loss allows {parameters.max_export_loss}:"
                " it ships in float32",
                flush=True,
            )
    litert, probabilities, parity = shipped
    return Exported(
        litert=litert,
        keras=keras_file(with_probabilities(network, temperature=temperature)),
        summary=tabulate_layers(network),
        num_parameters=network.count_params(),
        temperature=temperature,
        probabilities=probabilities,
        parity=parity,
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


def compare(
    found: np.ndarray, expected: np.ndarray, labels: np.ndarray, *, computes_in: str
) -> Parity:
    """Compares (n, classes) probabilities of the exported model with the trained network's."""
    difference = np.abs(found - expected)
    answers, wanted = found.argmax(axis=1), expected.argmax(axis=1)
    return Parity(
        computes_in=computes_in,
        agreement=float((answers == wanted).mean()),
        accuracy_lost=float((wanted == labels).mean() - (answers == labels).mean()),
        largest_difference=float(difference.max()),
        mean_difference=float(difference.mean()),
    )


def require_parity(parity: Parity, *, tolerance: float) -> None:
    """Refuses a conversion whose largest difference in a probability exceeds the tolerance."""
    if not parity.largest_difference <= tolerance:
        raise InputError(
            f"The exported model differs from the trained one by {parity.largest_difference:.2g} in"
            f" a probability; train.export_tolerance in params.yaml allows {tolerance:.2g}"
        )
