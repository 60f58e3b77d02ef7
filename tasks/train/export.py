"""Writes a trained network as files: for Keras, and as the model that ships."""

import io
import json
import os
import zipfile
from contextlib import redirect_stdout
from pathlib import Path

import keras
import tensorflow as tf

from tasks.runner.quiet import quiet

# Keras writes the present time at two places, and addresses in memory as the names of objects that
# layers share. Without them, the same weights give the same bytes.
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)
_TABLE_WIDTH = 88  # characters


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


def tabulate_layers(network: keras.Model) -> str:
    """Its layers, as a text table, the same under every locale and in every terminal."""
    lines: list[str] = []
    # The printer looks at standard output for letters that it may use, and here for the width.
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(_TABLE_WIDTH)
    try:
        with redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")):
            network.summary(line_length=_TABLE_WIDTH, print_fn=lambda line, **_: lines.append(line))
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
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
