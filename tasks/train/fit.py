"""Fits a network by Keras and keeps the epoch with the lowest validation loss."""

import math
from typing import Any

import keras
import numpy as np
import pandas as pd

from tasks.core.dataset import Selection
from tasks.core.parameters import DataParameters
from tasks.runner.errors import InputError
from tasks.train.batches import Batches, class_weights
from tasks.train.build import build_network
from tasks.train.checkpoint import Checkpoint, TrainingState
from tasks.train.normalization import with_fused_normalization
from tasks.train.optimizers import make_optimizer
from tasks.train.parameters import TrainParameters
from tasks.train.progress import Progress
from tasks.train.served import Validator
from tasks.train.whitening import whiten_first_convolution

# Of which Keras runs as many in a row before it calls anyone: calls cost as much as a small step.
_STEPS_PER_EXECUTION = 20


def train_network(
    data: DataParameters,
    parameters: TrainParameters,
    training: Selection,
    held_out: Selection,
    checkpoint: Checkpoint,
) -> tuple[keras.Model, Validator, pd.DataFrame]:
    """Builds a network and trains it by the recipe, from where a killed training left its state.

    Returns:
        The network with the weights of its best epoch; what measures it as it ships, by which that
        epoch was chosen; and a row per epoch: epoch (from 1), loss, accuracy, val_loss,
        val_accuracy. Both losses are cross-entropies without smoothing or weights of classes; the
        training's is a mean over the epoch, of images as they were changed for training.

    Raises:
        InputError: the network can't be built, or the loss is no longer a number.

    """
    num_classes, epochs = len(data.classes), parameters.epochs
    network, trained = (
        build_network(
            parameters.architecture,
            image_shape=(data.height, data.width, data.channels),
            num_classes=num_classes,
            precision=precision,
        )
        for precision in ("float32", parameters.precision)
    )
    if parameters.whitening:
        whiten_first_convolution(network, training)
    batches = Batches(training, num_classes=num_classes, parameters=parameters)
    model = compile_network(trained, parameters, steps_per_epoch=len(batches))
    model.set_weights(network.get_weights())
    validator = Validator(network, held_out, mirror=parameters.mirror)
    keeper = Keeper(network, validator, batches, checkpoint, patience=parameters.patience)
    keeper.resume(model)
    done = len(keeper.history)
    if not keeper.has_waited_enough():
        model.fit(
            batches.as_dataset(),
            class_weight=class_weights(
                training.labels, num_classes=num_classes, kind=parameters.class_weights
            ),
            shuffle=False,  # the batches are in their order
            epochs=epochs,
            initial_epoch=done,
            callbacks=[keeper, Progress(epochs, len(batches), done=done)],
            verbose=0,  # pyright: ignore[reportArgumentType]
        )
    network.set_weights(keeper.best)
    return network, validator, pd.DataFrame(keeper.history)


def compile_network(
    trained: keras.Model, parameters: TrainParameters, *, steps_per_epoch: int
) -> keras.Model:
    """The network with fast normalization, and with the recipe's loss and optimizer."""
    model = with_fused_normalization(trained)
    model.compile(
        optimizer=make_optimizer(parameters, num_steps=parameters.epochs * steps_per_epoch),
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=parameters.label_smoothing
        ),
        metrics=[
            "accuracy",
            keras.metrics.CategoricalCrossentropy(name="cross_entropy", from_logits=True),
        ],
        steps_per_execution=min(_STEPS_PER_EXECUTION, steps_per_epoch),
        # XLA's code isn't faster here, and its bits depend on the processor.
        jit_compile=False,  # pyright: ignore[reportArgumentType]
    )
    return model


class Keeper(keras.callbacks.Callback):
    """Validates each epoch, keeps the best one's weights and the state from which to go on.

    Args:
        network: gets the weights of each epoch, averaged if the recipe says so.
        validate: measures it as it ships.
        batches: are told which epoch begins.
        checkpoint: where the state is kept, of a row per whole epoch and the weights of the best.
        patience: epochs without a lower validation loss before training stops; None: never.

    """

    def __init__(
        self,
        network: keras.Model,
        validate: Validator,
        batches: Batches,
        checkpoint: Checkpoint,
        *,
        patience: int | None,
    ) -> None:
        super().__init__()
        self._network, self._validate = network, validate
        self._batches, self._checkpoint, self._patience = batches, checkpoint, patience
        self.history: list[dict[str, float]] = []
        self.best: list[np.ndarray] = []

    def resume(self, model: Any) -> None:
        """Goes back to where a killed training of the same key was after its last whole epoch."""
        model.optimizer.build(model.trainable_variables)
        state = self._checkpoint.load()
        if state is None:
            return
        for variable, value in zip(_state_of(model), state.variables, strict=True):
            variable.assign(value)
        self.history, self.best = state.history, state.best
        print(f"going on after epoch {len(self.history)}, where a training was ended", flush=True)

    def has_waited_enough(self) -> bool:
        """Whether as many epochs as patience allows have brought nothing."""
        if self._patience is None or not self.history:
            return False
        return len(self.history) - 1 - _best_row(self.history) >= self._patience

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Names the epoch to the batches."""
        self._batches.start_epoch(epoch)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Refuses a loss that is no number."""
        assert logs is not None
        self._require_finite("loss", float(logs["loss"]), batch + 1)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Publishes and measures the weights; adds what was measured to Keras' own figures."""
        assert logs is not None
        model: Any = self.model
        self._publish(model)
        figures = {"loss": logs["cross_entropy"], "accuracy": logs["accuracy"]} | self._validate()
        self._require_finite("validation loss", figures["val_loss"], len(self._batches))
        logs.update(figures)
        self.history.append({"epoch": epoch + 1} | figures)
        if _best_row(self.history) == epoch:
            self.best = self._network.get_weights()
        variables = [np.asarray(variable.value) for variable in _state_of(model)]
        self._checkpoint.save(TrainingState(self.history, variables, self.best))
        model.stop_training = self.has_waited_enough()

    def _publish(self, model: Any) -> None:
        """Copies the weights, averaged if the recipe says so, into the network."""
        self._network.set_weights(model.get_weights())
        if model.optimizer.use_ema:
            averages = model.optimizer._model_variables_moving_average
            for target, value in zip(self._network.trainable_variables, averages, strict=True):
                target.assign(value)

    def _require_finite(self, name: str, loss: float, step: int) -> None:
        if math.isfinite(loss):
            return
        model: Any = self.model
        rate = float(model.optimizer.learning_rate)
        raise InputError(
            f"The {name} is {loss} by step {step} of {len(self._batches)} of epoch"
            f" {len(self.history) + 1}, with learning rate {rate:.3g};"
            " expected a finite number. Lower train.learning_rate in params.yaml, then run:"
            " dvc repro"
        )


def _best_row(history: list[dict[str, float]]) -> int:
    """The position of the first epoch with the lowest validation loss."""
    return min(range(len(history)), key=lambda row: history[row]["val_loss"])


def _state_of(model: Any) -> list[keras.Variable]:
    """Everything that the next step depends on: weights, random generators, the optimizer."""
    return [*model.variables, *model.optimizer.variables]
