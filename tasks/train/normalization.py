"""Batch normalization, as it is trained fast and as it ships: the same bits on every processor."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.layers import BatchNormalization


class FusedBatchNormalization(BatchNormalization):
    """Keras' layer with TensorFlow's fused kernel, which also takes bfloat16."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalizes with the batch's statistics, and keeps their moving averages."""
        last = self.axis in (-1, len(inputs.shape) - 1)
        if not (training and self.trainable and last) or mask is not None or self.synchronized:
            return super().call(inputs, training=training, mask=mask)
        size = inputs.shape[-1]
        gamma = tf.convert_to_tensor(self.gamma) if self.scale else tf.ones(size)
        beta = tf.convert_to_tensor(self.beta) if self.center else tf.zeros(size)
        features, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            tf.reshape(inputs, (-1, 1, 1, size)) if len(inputs.shape) != 4 else inputs,
            gamma,
            beta,
            epsilon=self.epsilon,
            is_training=True,
        )
        averages: list[Any] = [self.moving_mean, self.moving_variance]
        for average, value in zip(averages, (mean, variance), strict=True):
            average.assign(average * self.momentum + value * (1 - self.momentum))
        return tf.reshape(features, tf.shape(inputs)) if len(inputs.shape) != 4 else features


class Affine(keras.layers.Layer):
    """What batch normalization is after training: a factor and an offset for each channel.

    Both are computed in NumPy, by roots and divisions that IEEE 754 defines to the last bit; Keras'
    layer takes a reciprocal root whose bits every maker of processors chooses.
    """

    def __init__(self, normalization: Any) -> None:
        super().__init__(name=normalization.name, dtype="float32", trainable=False)
        self._axis = normalization.axis
        size = normalization.moving_mean.shape
        self._factor = self.add_weight(shape=size, name="factor")
        self._offset = self.add_weight(shape=size, name="offset")

    def take_from(self, normalization: Any) -> None:
        """Computes both from the layer's weights."""
        mean, variance = (
            np.asarray(variable.value, np.float64)
            for variable in (normalization.moving_mean, normalization.moving_variance)
        )
        gamma = np.asarray(normalization.gamma.value, np.float64) if normalization.scale else 1.0
        beta = np.asarray(normalization.beta.value, np.float64) if normalization.center else 0.0
        factor = gamma / np.sqrt(variance + normalization.epsilon)
        self._factor.assign(factor)
        self._offset.assign(beta - mean * factor)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Multiplies and adds, along the layer's axis."""
        shape = [1] * len(inputs.shape)
        shape[self._axis] = -1
        factor, offset = (keras.ops.reshape(w, shape) for w in (self._factor, self._offset))
        return inputs * factor + offset


def with_fused_normalization(network: keras.Model) -> keras.Model:
    """The network with the fast layers, whose weights are new; all other layers are shared."""

    def replace(layer: Any) -> Any:
        if type(layer) is not BatchNormalization:
            return layer
        return FusedBatchNormalization.from_config(layer.get_config())

    return keras.models.clone_model(network, clone_function=replace, recursive=True)


def without_normalization(
    network: keras.Model,
) -> tuple[keras.Model, list[tuple[Affine, BatchNormalization]]]:
    """The network with a factor and an offset in place of each batch normalization.

    It shares all other layers; beside it stands each new layer with the one that it is for.
    """
    pairs: list[tuple[Affine, BatchNormalization]] = []

    def replace(layer: Any) -> Any:
        if not isinstance(layer, BatchNormalization):
            return layer
        pairs.append((Affine(layer), layer))
        return pairs[-1][0]

    model = keras.models.clone_model(network, clone_function=replace, recursive=True)
    return model, pairs
