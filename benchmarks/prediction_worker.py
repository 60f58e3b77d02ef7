"""Classifies images as other people would, in a process of its own; used by prediction.py.

python -m benchmarks.prediction_worker keras|onnx MODEL IMAGES --output TABLE
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

BATCH_SIZE = 256
THREADS = 2


def main() -> None:
    """Reads, classifies, writes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    probabilities = KINDS[arguments.kind](arguments.model, np.load(arguments.images))
    names = [f"probability: {number}" for number in range(probabilities.shape[1])]
    parquet.write_table(pa.table(list(probabilities.T), names=names), arguments.output)


def predict_keras(model: Path, images: np.ndarray) -> np.ndarray:
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
    return served.predict(images, batch_size=BATCH_SIZE, verbose=0)  # pyright: ignore[reportArgumentType]


def predict_onnx(model: Path, images: np.ndarray) -> np.ndarray:
    """ONNX Runtime on the network that ships, converted by tf2onnx."""
    import onnxruntime  # pyright: ignore[reportMissingImports]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate(
        [
            session.run(None, {name: images[start : start + BATCH_SIZE]})[0]
            for start in range(0, len(images), BATCH_SIZE)
        ]
    )


KINDS = {"keras": predict_keras, "onnx": predict_onnx}

if __name__ == "__main__":
    main()
