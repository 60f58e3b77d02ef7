"""Classifies images as other people would, in a process of its own; used by prediction.py.

    python -m benchmarks.prediction_worker keras|onnx|litert MODEL IMAGES --output TABLE [--again]

With --again, it then classifies them once more, and prints the seconds that this takes.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

BATCH_SIZE = 256
THREADS = 2

Predict = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    """Reads, classifies, writes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--again", action="store_true")
    arguments = parser.parse_args()
    predict, images = KINDS[arguments.kind](arguments.model), np.load(arguments.images)
    probabilities = predict(images)
    if arguments.again:
        started = time.perf_counter()
        predict(images)
        print(time.perf_counter() - started)
    names = [f"probability: {number}" for number in range(probabilities.shape[1])]
    parquet.write_table(pa.table(list(probabilities.T), names=names), arguments.output)


def load_keras(model: Path) -> Predict:
    """Keras' own `predict`; mirrored too where the model that ships does so."""
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    card = json.loads((model.parent / "card.json").read_text(encoding="utf-8"))
    network = keras.models.load_model(model)
    assert isinstance(network, keras.Model)
    pixels = keras.Input(network.input_shape[1:])
    classify = keras.Model(network.inputs, network.get_layer("temperature").output)
    logits = classify(pixels)
    if card["parameters"]["mirror"]:
        logits = (logits + classify(keras.ops.flip(pixels, axis=2))) / 2
    served = keras.Model(pixels, keras.ops.softmax(logits))
    return lambda images: served.predict(images, batch_size=BATCH_SIZE, verbose=0)  # pyright: ignore[reportArgumentType]


def load_litert(model: Path) -> Predict:
    """The class by which `tasks.predict` classifies."""
    from tasks.models.classifier import Classifier

    return Classifier(model.read_bytes(), num_threads=THREADS).predict


def load_onnx(model: Path) -> Predict:
    """ONNX Runtime on a model that tf2onnx converted."""
    import onnxruntime  # pyright: ignore[reportMissingImports]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def predict(images: np.ndarray) -> np.ndarray:
        starts = range(0, len(images), BATCH_SIZE)
        batches = (images[start : start + BATCH_SIZE] for start in starts)
        return np.concatenate([session.run(None, {name: batch})[0] for batch in batches])

    return predict


KINDS = {"keras": load_keras, "onnx": load_onnx, "litert": load_litert}

if __name__ == "__main__":
    main()
