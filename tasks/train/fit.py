"""Fits a network and keeps the epoch with the lowest validation loss."""

import math

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from tasks.core.dataset import ImageSplit, Selection
from tasks.runner.errors import InputError
from tasks.runner.quiet import quiet
from tasks.train.checkpoint import Checkpoint, TrainingState
from tasks.train.learner import Learner
from tasks.train.parameters import TrainParameters
from tasks.train.progress import Progress
from tasks.train.schedule import num_steps, plan_epoch

_VALIDATION_BATCH = 512


def pin_computation(parameters: TrainParameters) -> None:
    """Makes training a function of its inputs: seeds, threads and the order of additions."""
    tf.config.threading.set_intra_op_parallelism_threads(parameters.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(parameters.seed)
    if parameters.deterministic:
        tf.config.experimental.enable_op_determinism()
    with quiet():
        tf.config.list_logical_devices()


def fit(
    network: keras.Model,
    validate: "Validator",
    *,
    training: Selection,
    parameters: TrainParameters,
    checkpoint: Checkpoint,
) -> pd.DataFrame:
    """Trains the network in place and leaves it with the weights of its best epoch.

    Args:
        network: from images to probabilities.
        validate: measures the network as it ships; the best epoch is chosen by that.
        training: the images.
        parameters: the recipe.
        checkpoint: where a killed training left its state, and where this one leaves it.

    Returns:
        One row per epoch: epoch (from 1), loss, accuracy, val_loss, val_accuracy.

    Raises:
        InputError: the loss is no longer a number.

    """
    learner = Learner(network, training, parameters=parameters)
    state = checkpoint.load()
    if state is None:
        state = TrainingState(history=[], learner=[], best=[])
    else:
        learner.restore(state.learner)
        print(f"going on after epoch {len(state.history)}, where a training was ended", flush=True)
    done = len(state.history)
    with Progress(parameters.epochs, done=done) as progress:
        for epoch in range(done, parameters.epochs):
            if _has_waited_enough(state.history, parameters.patience):
                break
            figures = _run_epoch(learner, epoch, len(training.positions), parameters, progress)
            learner.publish()
            figures |= validate()
            state.history.append({"epoch": epoch + 1} | figures)
            if best_row(state.history) == epoch:
                state.best = network.get_weights()
            state.learner = learner.state()
            checkpoint.save(state)
            progress.end_epoch(epoch + 1, figures)
    network.set_weights(state.best)
    return pd.DataFrame(state.history)


def best_row(history: list[dict[str, float]]) -> int:
    """The position of the first epoch with the lowest validation loss."""
    return min(range(len(history)), key=lambda row: history[row]["val_loss"])


def _has_waited_enough(history: list[dict[str, float]], patience: int | None) -> bool:
    if patience is None or not history:
        return False
    return len(history) - 1 - best_row(history) >= patience


def _run_epoch(
    learner: Learner, epoch: int, num_images: int, parameters: TrainParameters, progress: Progress
) -> dict[str, float]:
    """Learns from every batch of an epoch; gives the mean loss and accuracy along the way."""
    steps = num_steps(num_images, parameters.batch_size)
    total = correct = seen = 0.0
    for step, batch in enumerate(
        plan_epoch(epoch, num_images=num_images, parameters=parameters), start=1
    ):
        loss, num_correct = learner.step(batch)
        if not math.isfinite(loss):
            raise InputError(
                f"The loss is {loss} at step {step} of {steps} of epoch {epoch + 1}, with learning"
                f" rate {batch.rate:.3g}; expected a finite number. Lower train.learning_rate in"
                " params.yaml, then run: dvc repro"
            )
        total += loss * len(batch.positions)
        correct += num_correct
        seen += len(batch.positions)
        progress.advance(1 / steps, loss=loss)
    return {"loss": total / seen, "accuracy": correct / seen}


class Validator:
    """Measures a model on images that were held out of training, and stay in memory.

    Args:
        served: from uint8 images to probabilities.
        validation: the images.

    """

    def __init__(self, served: keras.Model, validation: ImageSplit) -> None:
        self._images = validation.images
        self._labels = validation.labels
        self._predict = tf.function(lambda batch: served(batch, training=False))

    def predict(self) -> np.ndarray:
        """(n, classes) float32 probabilities."""
        size = min(_VALIDATION_BATCH, len(self._images))
        probabilities = []
        for start in range(0, len(self._images), size):
            # The last batch is filled up, so that every batch has the same shape.
            batch = self._images[np.arange(start, start + size) % len(self._images)]
            probabilities.append(self._predict(tf.constant(batch)).numpy())
        return np.concatenate(probabilities)[: len(self._images)]

    def __call__(self) -> dict[str, float]:
        """The mean loss and the accuracy."""
        probabilities = self.predict()
        chosen = probabilities[np.arange(len(self._labels)), self._labels].astype(np.float64)
        return {
            "val_loss": float(-np.log(np.maximum(chosen, 1e-7)).mean()),
            "val_accuracy": float((probabilities.argmax(axis=1) == self._labels).mean()),
        }
