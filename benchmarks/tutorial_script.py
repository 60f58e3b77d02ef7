"""The method of the tutorial that this project starts from, plainly: the rival of the benchmark.

    python -m benchmarks.tutorial_script SEED

It stops early on the test images, as the tutorial did. It prints its test accuracy as JSON.
"""

import json
import sys

import keras
import numpy as np
from keras import layers

from tasks.core import paths


def main() -> None:
    """Load, fit, measure, save."""
    keras.utils.set_random_seed(int(sys.argv[1]))
    train_images, train_labels, test_images, test_labels = (
        np.load(paths.RAW / f"{name}.npy")
        for name in ("train_images", "train_labels", "test_images", "test_labels")
    )
    train_images, test_images = train_images / 255.0, test_images / 255.0
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(512, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(0.001),  # pyright: ignore[reportArgumentType]
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    history = model.fit(
        train_images,
        train_labels,
        epochs=25,
        batch_size=32,
        validation_data=(test_images, test_labels),
        callbacks=[keras.callbacks.EarlyStopping(monitor="val_loss", patience=2)],
        verbose=0,  # pyright: ignore[reportArgumentType]
    )
    _, accuracy = model.evaluate(test_images, test_labels, verbose=0)  # pyright: ignore[reportArgumentType]
    model.save("model.keras")
    print(json.dumps({"accuracy": accuracy, "epochs": len(history.history["loss"])}))


if __name__ == "__main__":
    main()
