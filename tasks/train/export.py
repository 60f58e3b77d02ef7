"""Writes a trained network as files: for Keras, and as the model that ships."""

import io
import json
import zipfile
from pathlib import Path

import keras
import tensorflow as tf

from tasks.quiet import quiet

# Keras writes the present time at two places, and addresses in memory as the names of objects that
# layers share. Without them, the same weights give the same bytes.
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)


def save_keras(model: keras.Model, path: Path) -> None:
    """Writes a .keras file that holds the same bytes for the same weights."""
    staging = path.with_name(f"{path.name}.staging.keras")
    try:
        model.save(staging)
        path.write_bytes(_reproducible(staging.read_bytes()))
    finally:
        staging.unlink(missing_ok=True)


def _reproducible(archive: bytes) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(output, "w") as target:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename == "metadata.json":
                content = _without_date(content)
            elif entry.filename == "config.json":
                content = _with_numbered_objects(content)
            target.writestr(zipfile.ZipInfo(entry.filename, _FIXED_TIME), content)
    return output.getvalue()


def _without_date(metadata: bytes) -> bytes:
    content = json.loads(metadata)
    content.pop("date_saved", None)
    return json.dumps(content, sort_keys=True).encode()


def _with_numbered_objects(config: bytes) -> bytes:
    numbers: dict[int, int] = {}

    def number_objects(values: dict[str, object]) -> dict[str, object]:
        address = values.get("shared_object_id")
        if isinstance(address, int):
            values["shared_object_id"] = numbers.setdefault(address, len(numbers))
        return values

    return json.dumps(json.loads(config, object_hook=number_objects)).encode()


def summarize(network: keras.Model) -> str:
    """Its layers, as a text table."""
    lines: list[str] = []
    network.summary(line_length=88, print_fn=lambda line, **_: lines.append(line))
    return "\n".join(lines) + "\n"


def make_served(network: keras.Model, *, mirror: bool) -> keras.Model:
    """The network as it ships, sharing its weights: raw uint8 images in, probabilities out.

    Args:
        network: from images to probabilities, with a layer `logits`.
        mirror: average the logits of each image with those of its mirror image.

    """
    images = keras.Input(network.input_shape[1:], dtype="uint8", name="images")
    pixels = keras.ops.cast(images, "float32")
    if mirror:
        classify = keras.Model(network.inputs, network.get_layer("logits").output)
        logits = (classify(pixels) + classify(keras.ops.flip(pixels, axis=2))) / 2
        probabilities = keras.ops.softmax(logits)
    else:
        probabilities = network(pixels)
    return keras.Model(images, probabilities, name="classifier")


def convert_to_litert(served: keras.Model) -> bytes:
    """Converts what `make_served` gives to LiteRT, with any batch size.

    Returns:
        A flatbuffer from (n, height, width, channels) uint8 to (n, classes) float32 probabilities.

    """
    with quiet():
        return tf.lite.TFLiteConverter.from_keras_model(served).convert()
