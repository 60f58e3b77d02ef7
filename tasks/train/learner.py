"""One training step as one compiled graph, on images that aren't held in memory as a whole."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tasks.core.dataset import Selection
from tasks.train.parameters import TrainParameters
from tasks.train.schedule import Batch


class Learner:
    """A network in training: a copy in the precision of training, an optimizer, averaged weights.

    Args:
        network: the network in float32; it gets its weights by `publish`.
        training: the images; a batch at a time is copied.
        parameters: the recipe.

    """

    def __init__(
        self,
        network: keras.Model,
        training: Selection,
        *,
        parameters: TrainParameters,
    ) -> None:
        self._network = network
        self._model = _for_training(network, parameters.precision)
        self._training = training
        labels = training.labels
        num_classes = network.output_shape[-1]
        share = parameters.label_smoothing
        targets = np.eye(num_classes, dtype=np.float32) * (1 - share) + share / num_classes
        self._targets = tf.constant(targets)
        self._labels = tf.constant(labels.astype(np.int32))
        self._class_weights = tf.constant(
            class_weights(labels, num_classes=num_classes, kind=parameters.class_weights)
        )
        self._max_shift = parameters.shift
        self._optimizer = _make_optimizer(parameters)
        self._optimizer.build(self._model.trainable_variables)
        self._decay = parameters.average_decay or 0.0
        averaged = self._model.variables if self._decay else []
        self._averages = [tf.Variable(variable) for variable in averaged]
        self._step = tf.function(self._take_step)

    def step(self, batch: Batch) -> tuple[float, int]:
        """Learns from one batch.

        Returns:
            The mean loss, and how many of the images were classified correctly.

        """
        # Gathered here, because a tensor of all images would be a second copy of them; and mirrored
        # here, because that is less work on bytes.
        images = self._training.take(batch.positions)
        images[batch.mirrored] = images[batch.mirrored, :, ::-1]
        # A compiled function takes tensors at once, and has to look at anything else.
        loss, num_correct = self._step(
            tf.constant(images),
            tf.constant(batch.positions),
            tf.constant(batch.shifts),
            tf.constant(batch.rate, tf.float32),
        )
        return float(loss), int(num_correct)

    def publish(self) -> None:
        """Copies the weights, averaged if the recipe says so, into the network."""
        source = self._averages or self._model.variables
        for target, value in zip(self._network.variables, source, strict=True):
            target.assign(value)

    def state(self) -> list[np.ndarray]:
        """Everything that the next step depends on."""
        return [variable.numpy() for variable in self._state_variables()]

    def restore(self, state: list[np.ndarray]) -> None:
        """Goes back to what `state` returned."""
        for variable, value in zip(self._state_variables(), state, strict=True):
            variable.assign(value)

    def _state_variables(self) -> list:
        return [*self._model.variables, *self._optimizer.variables, *self._averages]

    def _take_step(
        self, images: tf.Tensor, positions: tf.Tensor, shifts: tf.Tensor, rate: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        self._optimizer.learning_rate.assign(rate)
        if self._max_shift:
            images = shift_images(images, shifts, limit=self._max_shift)
        labels = tf.gather(self._labels, positions)
        weights = tf.gather(self._class_weights, labels)
        with tf.GradientTape() as tape:
            logits = tf.cast(self._model(tf.cast(images, tf.float32), training=True), tf.float32)
            losses = tf.nn.softmax_cross_entropy_with_logits(
                tf.gather(self._targets, labels), logits
            )
            loss = tf.reduce_mean(losses * weights)
        variables = self._model.trainable_variables
        self._optimizer.apply(tape.gradient(loss, variables), variables)
        for average, variable in zip(self._averages, self._model.variables, strict=False):
            average.assign_sub((average - variable) * (1 - self._decay))
        predicted = tf.argmax(logits, axis=1, output_type=tf.int32)
        return loss, tf.reduce_sum(tf.cast(predicted == labels, tf.int32))


class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras' layer with TensorFlow's fused kernel, which also takes bfloat16."""

    def call(
        self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Normalizes with the batch's statistics, and keeps their moving averages."""
        assert training, "the network that ships has Keras' own layers"
        gamma, beta, *averages = self.variables
        features, *statistics = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            tf.convert_to_tensor(gamma),
            tf.convert_to_tensor(beta),
            epsilon=self.epsilon,
            is_training=True,
        )
        for average, value in zip(averages, statistics, strict=True):
            average.assign(average * self.momentum + value * (1 - self.momentum))
        return features


class ConvolutionMuon(keras.optimizers.Muon):
    """Keras' Muon for the kernels of convolutions, each as a matrix; Adam for all other weights.

    Keras leaves whatever isn't a matrix to Adam. Muon's author reshapes kernels, as here.
    Source: https://kellerjordan.github.io/posts/muon
    """

    def _should_use_adamw(self, variable: keras.Variable) -> bool:
        return len(variable.shape) != 4

    def zeropower_via_newtonschulz5(self, x: Any, steps: int) -> Any:
        """The nearest semi-orthogonal matrix, (height·width·incoming, outgoing), as a kernel."""
        matrix = super().zeropower_via_newtonschulz5(_as_matrix(x), steps)
        return keras.ops.reshape(matrix, x.shape)

    def lr_adjust(self, x: Any) -> Any:
        """Scales an update by the larger side of its matrix, to the size of Adam's updates."""
        return keras.ops.reshape(super().lr_adjust(_as_matrix(x)), x.shape)


def _as_matrix(kernel: Any) -> Any:
    return keras.ops.reshape(kernel, (-1, kernel.shape[-1]))


def shift_images(images: tf.Tensor, shifts: tf.Tensor, *, limit: int) -> tf.Tensor:
    """Moves each image by its own whole number of pixels; what comes in is black.

    Args:
        images: (n, height, width, channels).
        shifts: (n, 2) int32 in -limit..limit: down, right.
        limit: in pixels.

    """
    height, width = images.shape[1:3]
    padded = tf.pad(images, [[0, 0], [limit, limit], [limit, limit], [0, 0]])
    rows = tf.range(height)[None, :] + limit - shifts[:, :1]
    columns = tf.range(width)[None, :] + limit - shifts[:, 1:]
    padded = tf.gather(padded, rows, axis=1, batch_dims=1)
    return tf.gather(padded, columns, axis=2, batch_dims=1)


def class_weights(labels: np.ndarray, *, num_classes: int, kind: str) -> np.ndarray:
    """What an image's loss is multiplied by, per class: (classes,) float32, 1 on average.

    Args:
        labels: (n,) of the training images.
        num_classes: how many there are.
        kind: none gives 1 to all; balanced gives each class the same sum of weights.

    """
    if kind == "none":
        return np.ones(num_classes, np.float32)
    counts = np.bincount(labels, minlength=num_classes)
    return (len(labels) / (num_classes * np.maximum(counts, 1))).astype(np.float32)


def _for_training(network: keras.Model, precision: str) -> keras.Model:
    """A copy from images to logits that computes in the given precision."""
    policy = "float32" if precision == "float32" else f"mixed_{precision}"

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config() | {"dtype": policy}
        if isinstance(layer, keras.layers.BatchNormalization):
            return FusedBatchNormalization.from_config(config)
        return type(layer).from_config(config)

    logits = keras.Model(network.inputs, network.get_layer("logits").output)
    model = keras.models.clone_model(logits, clone_function=copy)
    model.set_weights(network.get_weights())
    return model


def _make_optimizer(parameters: TrainParameters) -> keras.optimizers.Optimizer:
    shared = {
        "learning_rate": parameters.learning_rate,
        "weight_decay": parameters.weight_decay or None,
    }
    if parameters.optimizer == "adam":
        optimizer = keras.optimizers.Adam(beta_1=parameters.momentum, **shared)
    elif parameters.optimizer == "muon":
        optimizer = ConvolutionMuon(
            momentum=parameters.momentum, adam_weight_decay=shared["weight_decay"], **shared
        )
    else:
        optimizer = keras.optimizers.SGD(momentum=parameters.momentum, nesterov=True, **shared)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
