"""`residual_deep` with one lever each, which benchmarks/variants.py tries."""

from collections.abc import Callable

import keras
from keras import layers

from tasks.train.networks import residual_deep

_DROPPED = 0.1
_ERASED = 0.25  # at most: the chance is drawn anew for each image


def erased(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Noise over a rectangle of an eighth of the images."""
    return residual_deep(
        layers.RandomErasing(_ERASED, scale=(0.02, 0.2), value_range=(0, 1))(pixels)
    )


def translated(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Each image moved by up to a pixel and a half, between pixels, too."""
    return residual_deep(layers.RandomTranslation(0.05, 0.05, fill_mode="constant")(pixels))


def large_depthwise(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """A 5×5 depthwise convolution and a 1×1 one instead of the 3×3 of each block."""

    def change(features: keras.KerasTensor) -> keras.KerasTensor:
        features = layers.DepthwiseConv2D(5, padding="same", use_bias=False)(features)
        return _convolution(features, size=1)

    return _deep(pixels, change)


def squeezed(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Squeeze-and-excitation of what each block adds."""

    def change(features: keras.KerasTensor) -> keras.KerasTensor:
        features = _convolution(features)
        channels = features.shape[-1]
        scale = layers.GlobalAveragePooling2D(keepdims=True)(features)
        scale = layers.Dense(channels // 8, activation="relu")(scale)
        return layers.Multiply()([features, layers.Dense(channels, activation="sigmoid")(scale)])

    return _deep(pixels, change)


def stochastic_depth(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """What each block adds is left out for a tenth of the images."""

    def change(features: keras.KerasTensor) -> keras.KerasTensor:
        return layers.Dropout(_DROPPED, noise_shape=(None, 1, 1, 1))(_convolution(features))

    return _deep(pixels, change)


def _deep(
    pixels: keras.KerasTensor, change: Callable[[keras.KerasTensor], keras.KerasTensor]
) -> keras.KerasTensor:
    """As `residual_deep`, with another change in each block."""
    features = layers.Conv2D(16, 3, padding="same", use_bias=False)(pixels)
    features = _normalize(layers.MaxPooling2D(2)(features))
    for filters, strides in ((32, 1), (64, 2), (96, 2)):
        features = layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)(features)
        features = _normalize(features)
        features = layers.Add()([features, layers.ReLU()(change(features))])
    return layers.GlobalMaxPooling2D()(features)


def _convolution(features: keras.KerasTensor, size: int = 3) -> keras.KerasTensor:
    features = layers.Conv2D(features.shape[-1], size, padding="same", use_bias=False)(features)
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(features)


def _normalize(features: keras.KerasTensor) -> keras.KerasTensor:
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(features))
