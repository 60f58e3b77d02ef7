"""Writes a trained network as files: for Keras, and as the model that ships."""

import io
import json
import zipfile
from pathlib import Path

import keras
import tensorflow as tf

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


def convert_to_litert(model: keras.Model) -> bytes:
    """Converts to LiteRT, with raw uint8 images of any batch size as input.

    Returns:
        A flatbuffer from (n, height, width, channels) uint8 to (n, classes) float32 probabilities.

    """
    images = keras.Input(model.input_shape[1:], dtype="uint8", name="images")
    probabilities = model(keras.ops.cast(images, "float32"))
    serving = keras.Model(images, probabilities, name="classifier")
    return tf.lite.TFLiteConverter.from_keras_model(serving).convert()
