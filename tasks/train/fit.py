"""Fits a network and keeps the epoch with the lowest validation loss."""

import sys
import time

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from tasks.parameters import TrainParameters


def pin_computation(parameters: TrainParameters) -> None:
    """Makes training a function of its inputs: seeds, threads and the order of additions."""
    tf.config.threading.set_intra_op_parallelism_threads(parameters.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(parameters.seed)
    tf.config.experimental.enable_op_determinism()


def fit(
    model: keras.Model,
    training: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    *,
    parameters: TrainParameters,
) -> pd.DataFrame:
    """Trains the model in place and restores the weights of its best epoch.

    Args:
        training: images (n, height, width, channels) uint8 and labels (n,).
        validation: the same, held out of training; the best epoch is chosen on it.

    Returns:
        One row per epoch: epoch (from 1), loss, accuracy, val_loss, val_accuracy.

    """
    model.compile(
        optimizer=keras.optimizers.Adam(parameters.learning_rate),  # pyright: ignore[reportArgumentType]
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    history = model.fit(
        *training,
        validation_data=validation,
        epochs=parameters.epochs,
        batch_size=parameters.batch_size,
        verbose=0,  # pyright: ignore[reportArgumentType]
        callbacks=[
            keras.callbacks.EarlyStopping(
                monitor="val_loss", patience=parameters.patience, restore_best_weights=True
            ),
            keras.callbacks.TerminateOnNaN(raise_error=True),
            EpochLines(parameters.epochs),
        ],
    )
    frame = pd.DataFrame(history.history)
    frame.insert(0, "epoch", np.arange(1, len(frame) + 1))
    return frame[["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]]


class EpochLines(keras.callbacks.Callback):
    """Prints a line per epoch, with the time left if every epoch is used."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs = epochs
        self.started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Prints the epoch's figures."""
        done = epoch + 1
        left = (time.monotonic() - self.started) / done * (self.epochs - done)
        figures = ", ".join(f"{name} {value:.4f}" for name, value in (logs or {}).items())
        print(f"epoch {done} of at most {self.epochs}: {figures}; {left:.0f} s left at most")
        sys.stdout.flush()
