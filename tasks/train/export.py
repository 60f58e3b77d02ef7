"""Writes a trained network as files: for Keras, and as the model that ships."""

import io
import json
import zipfile
from pathlib import Path

import keras
import tensorflow as tf

# Keras writes the present time at two places; both files are the same without it.
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)


def save_keras(model: keras.Model, path: Path) -> None:
    """Writes a .keras file that holds the same bytes for the same weights."""
    staging = path.with_name(f"{path.name}.staging.keras")
    try:
        model.save(staging)
        path.write_bytes(_without_times(staging.read_bytes()))
    finally:
        staging.unlink(missing_ok=True)


def _without_times(archive: bytes) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(output, "w") as target:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename == "metadata.json":
                content = _without_date(content)
            target.writestr(zipfile.ZipInfo(entry.filename, _FIXED_TIME), content)
    return output.getvalue()


def _without_date(metadata: bytes) -> bytes:
    content = json.loads(metadata)
    content.pop("date_saved", None)
    return json.dumps(content, sort_keys=True).encode()


def convert_to_litert(model: keras.Model) -> bytes:
    """Converts to LiteRT, with raw uint8 images of any batch size as input.

    Returns:
        A flatbuffer from (n, height, width, channels) uint8 to (n, classes) float32 probabilities.

    """
    images = keras.Input(model.input_shape[1:], dtype="uint8", name="images")
    probabilities = model(keras.ops.cast(images, "float32"))
    serving = keras.Model(images, probabilities, name="classifier")
    return tf.lite.TFLiteConverter.from_keras_model(serving).convert()
