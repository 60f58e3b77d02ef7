"""The networks that train.architecture can name. Each maps pixels in [0, 1] to logits."""

from collections.abc import Callable

import keras
from keras import layers


def build_network(
    architecture: str, *, image_shape: tuple[int, int, int], num_classes: int
) -> keras.Model:
    """Builds the classifier, with the scaling of pixels inside.

    Returns:
        A model from (n, height, width, channels) in 0..255 to (n, num_classes) probabilities.

    """
    inputs = keras.Input(image_shape, name="images")
    pixels = layers.Rescaling(1 / 255, name="scale")(inputs)
    logits = ARCHITECTURES[architecture](pixels, num_classes)
    outputs = layers.Softmax(name="probabilities")(logits)
    return keras.Model(inputs, outputs, name=architecture)


def article(pixels: keras.KerasTensor, num_classes: int) -> keras.KerasTensor:
    """The tutorial's network: 94,154 parameters for 28×28×1 images and ten classes.

    Three unpadded 3×3 convolutions (32, 64, 64) with ReLU, each followed by 2×2 max pooling, then
    dense layers of 512 and of the classes.
    """
    features = pixels
    for number, filters in enumerate((32, 64, 64), start=1):
        features = layers.Conv2D(filters, 3, activation="relu", name=f"convolution_{number}")(
            features
        )
        features = layers.MaxPooling2D(2, name=f"pooling_{number}")(features)
    features = layers.Flatten(name="flatten")(features)
    features = layers.Dense(512, activation="relu", name="dense")(features)
    return layers.Dense(num_classes, name="logits")(features)


ARCHITECTURES: dict[str, Callable[[keras.KerasTensor, int], keras.KerasTensor]] = {
    "article": article,
}
