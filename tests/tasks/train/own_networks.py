"""Networks as people bring them, each with something that the built-in ones don't have."""

import keras
from keras import layers


def normalized_dense(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """No convolution; batch normalization after a dense layer, without scale, without center."""
    features = layers.Dense(24)(layers.Flatten()(layers.AveragePooling2D(4)(pixels)))
    features = layers.ReLU()(layers.BatchNormalization(scale=False)(features))
    features = layers.BatchNormalization(center=False)(layers.Dense(24)(features))
    return layers.Dropout(0.2)(features)


def augmented(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Keras' own augmentation, then features that still have height and width."""
    features = layers.RandomRotation(0.05)(pixels)
    features = layers.RandomTranslation(0.1, 0.1)(features)
    features = layers.RandomErasing(factor=0.5, value_range=(0, 1))(features)
    features = layers.Conv2D(12, 5, strides=4, activation="relu")(features)
    return layers.BatchNormalization()(features)


def nested(pixels: keras.KerasTensor) -> keras.Model:
    """A model from pixels to logits, with another one inside, that has the only convolution."""
    stem = keras.Sequential(
        [
            keras.Input(pixels.shape[1:]),
            layers.Conv2D(16, 4, strides=4, use_bias=False),
            layers.BatchNormalization(scale=False, center=False),
            layers.LeakyReLU(),
        ],
        name="stem",
    )
    images = keras.Input(pixels.shape[1:])
    features = layers.GlobalAveragePooling2D()(stem(images))
    return keras.Model(images, layers.Dense(10)(features), name="whole")
