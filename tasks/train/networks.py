"""The networks that train.architecture can name: each public function here.

It takes pixels, (n, height, width, channels) in 0..1, and gives features; build.py adds the
classes.

Where a ReLU and a max pooling meet, the pooling comes first: the result is the same, and the ReLU
and the normalization touch a quarter of the elements.
"""

import keras
from keras import layers


def article(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """The tutorial's network: 94,154 parameters for 28×28×1 images and ten classes.

    Three unpadded 3×3 convolutions (32, 64, 64), each followed by 2×2 max pooling and ReLU, then a
    dense layer of 512.
    """
    features = pixels
    for number, filters in enumerate((32, 64, 64), start=1):
        features = layers.Conv2D(filters, 3, name=f"convolution_{number}")(features)
        features = layers.MaxPooling2D(2, name=f"pooling_{number}")(features)
        features = layers.ReLU(name=f"relu_{number}")(features)
    features = layers.Flatten(name="flatten")(features)
    return layers.Dense(512, activation="relu", name="dense")(features)


def light(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Hardly any work per image: 28,842 parameters for 28×28×1 images and ten classes."""
    features = _convolution(pixels, 16, name="stem", size=4, strides=2)
    features = _convolution(features, 48, name="widen", strides=2)
    features = _residual_block(features, name="block")
    return layers.GlobalMaxPooling2D(name="pooling")(features)


def residual(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """A small residual network: 61,402 parameters for 28×28×1 images and ten classes."""
    features = _convolution(pixels, 16, name="stem", pooled=True)
    features = _convolution(features, 32, name="widen_1")
    features = _convolution(features, 64, name="widen_2", strides=2)
    features = _residual_block(features, name="block")
    return layers.GlobalMaxPooling2D(name="pooling")(features)


def residual_deep(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """One block at each of three sizes: 210,074 parameters for 28×28×1 images and ten classes."""
    features = _convolution(pixels, 16, name="stem", pooled=True)
    for number, (filters, strides) in enumerate(((32, 1), (64, 2), (96, 2)), start=1):
        features = _convolution(features, filters, name=f"widen_{number}", strides=strides)
        features = _residual_block(features, name=f"block_{number}")
    return layers.GlobalMaxPooling2D(name="pooling")(features)


def residual_wide(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Two convolutions in each block: 1,094,914 parameters for 28×28×1 images and ten classes."""
    features = _convolution(pixels, 24, name="stem")
    for number, filters in enumerate((48, 96, 192), start=1):
        features = _convolution(features, filters, name=f"widen_{number}", pooled=True)
        features = _residual_block(features, name=f"block_{number}", depth=2)
    return layers.GlobalMaxPooling2D(name="pooling")(features)


def _residual_block(features: keras.KerasTensor, *, name: str, depth: int = 1) -> keras.KerasTensor:
    change = features
    for suffix in ("", "_again")[:depth]:
        change = _convolution(change, features.shape[-1], name=f"{name}{suffix}")
    return layers.Add(name=f"{name}_sum")([features, change])


def _convolution(
    features: keras.KerasTensor,
    filters: int,
    *,
    name: str,
    size: int = 3,
    strides: int = 1,
    pooled: bool = False,
) -> keras.KerasTensor:
    """Convolution, 2×2 max pooling if asked for, batch normalization, ReLU."""
    shape = {"filters": filters, "kernel_size": size, "strides": strides, "padding": "same"}
    features = layers.Conv2D(**shape, use_bias=False, name=f"{name}_convolution")(features)
    if pooled:
        features = layers.MaxPooling2D(2, name=f"{name}_pooling")(features)
    features = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(features)
    return layers.ReLU(name=f"{name}_relu")(features)
