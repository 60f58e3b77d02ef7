"""The network as it ships, measured on what was held out: what training is judged by."""

import keras
import numpy as np
import tensorflow as tf
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from tasks.core.dataset import Selection
from tasks.train.normalization import without_normalization

# Images of a batch: as many as keep what the layers give in memory, whatever their size.
_BATCH, _BATCH_PIXELS = 512, 2**21
# A validation split that is classified without a mistake would ask for boundless certainty.
_TEMPERATURES = (0.25, 4.0)
# Before any image is seen, the logarithm of the temperature is expected to differ from 0 by this.
_USUAL_DEVIATION = np.log(2) / 2


class Validator:
    """Measures the network as it ships on images that were held out; a batch of them is in memory.

    Args:
        network: from images to logits; its weights may change.
        held_out: the images.
        mirror: average the logits of each image with those of its mirror image.

    """

    def __init__(self, network: keras.Model, held_out: Selection, *, mirror: bool) -> None:
        self.held_out, self.labels = held_out, held_out.labels
        classify, self._normalizations = without_normalization(network)
        images = keras.Input(network.input_shape[1:], dtype="uint8", name="images")
        pixels = keras.ops.cast(images, "float32")
        logits = classify(pixels)
        if mirror:
            logits = (logits + classify(keras.ops.flip(pixels, axis=2))) / 2
        self._served = keras.Model(images, logits)
        self._compute = tf.function(lambda batch: self._served(batch, training=False))

    def served(self) -> keras.Model:
        """From (n, height, width, channels) uint8 images to (n, classes) logits."""
        for affine, normalization in self._normalizations:
            affine.take_from(normalization)
        return self._served

    def logits(self) -> np.ndarray:
        """(n, classes) float64 of the images that were held out."""
        self.served()
        number = len(self.labels)
        height, width = self._served.input_shape[1:3]
        size = max(1, min(_BATCH, _BATCH_PIXELS // (height * width), number))
        # The last batch is filled up, so that every batch has the same shape.
        batches = (np.arange(start, start + size) % number for start in range(0, number, size))
        logits = [
            self._compute(tf.constant(self.held_out.take(batch))).numpy() for batch in batches
        ]
        return np.concatenate(logits)[:number].astype(np.float64)

    def __call__(self) -> dict[str, float]:
        """The mean loss and the accuracy."""
        logits, labels = self.logits(), self.labels
        return {
            "val_loss": cross_entropy(logits, labels),
            "val_accuracy": float((logits.argmax(axis=1) == labels).mean()),
        }


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """What (n, classes) logits are divided by, so that they are as sure of labels as right.

    The likeliest one, if temperatures are log-normal around 1: the fewer the images, the nearer.
    """
    found = minimize_scalar(
        lambda exponent: (
            len(labels) * cross_entropy(logits / np.exp(exponent), labels)
            + (exponent / _USUAL_DEVIATION) ** 2 / 2
        ),
        bounds=np.log(_TEMPERATURES),
        method="bounded",
    )
    return round(float(np.exp(found.x)), 3)


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """The mean over (n, classes) logits of what each label's probability costs, in nats."""
    return float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())
