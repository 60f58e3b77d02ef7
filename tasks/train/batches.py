"""The batches of an epoch: order, mirroring and shifts, all drawn from the seed."""

import numpy as np
import tensorflow as tf

from tasks.core.dataset import Selection
from tasks.train.parameters import TrainParameters

_AHEAD = 4  # batches, made while the network is trained on those before


class Batches:
    """The batches of one epoch, a function of the seed and the epoch's number alone.

    Every batch has the same size; the images that are left over have their turn in another epoch,
    whose order is another one. An image that is mirrored in one epoch isn't in the next.
    """

    def __init__(
        self, training: Selection, *, num_classes: int, parameters: TrainParameters
    ) -> None:
        self._training = training
        self._labels = training.labels
        self._num_classes = num_classes
        self._parameters = parameters
        self._size = min(parameters.batch_size, len(self._labels))
        first = np.random.default_rng([parameters.seed]).random(len(self._labels)) < 0.5
        self._mirrored_first = first & parameters.flip
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Draws the order and the shifts of an epoch, counted from 0."""
        generator = np.random.default_rng([self._parameters.seed, 1 + epoch])
        num_images, limit = len(self._labels), self._parameters.shift
        self._order = generator.permutation(num_images)
        self._shifts = generator.integers(-limit, limit + 1, (num_images, 2), dtype=np.int32)
        self._mirrored = self._mirrored_first ^ bool(epoch % 2 and self._parameters.flip)

    def as_dataset(self) -> tf.data.Dataset:
        """The batches of the epoch that was started last, each time that it is gone through."""
        images, labels = self[0]
        signature = (
            tf.TensorSpec((None, *images.shape[1:]), images.dtype),
            tf.TensorSpec((None, *labels.shape[1:]), labels.dtype),
        )
        options = tf.data.Options()
        # The thread that tunes sleeps up to a minute, and an epoch's end waits until it wakes.
        options.autotune.enabled = False
        return (
            tf.data.Dataset.from_generator(
                lambda: map(self.__getitem__, range(len(self))), output_signature=signature
            )
            .apply(tf.data.experimental.assert_cardinality(len(self)))
            .prefetch(_AHEAD)
            .with_options(options)
        )

    def __len__(self) -> int:
        """How many whole batches there are; one smaller one where there is none."""
        return len(self._labels) // self._size

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """(batch, height, width, channels) uint8 and (batch, classes) float32, 1 at the label."""
        positions = self._order[index * self._size : (index + 1) * self._size]
        images = self._training.take(positions)
        mirrored = self._mirrored[positions]
        images[mirrored] = images[mirrored, :, ::-1]
        if self._parameters.shift:
            images = shift_images(images, self._shifts[positions], limit=self._parameters.shift)
        return images, np.eye(self._num_classes, dtype=np.float32)[self._labels[positions]]


def shift_images(images: np.ndarray, shifts: np.ndarray, *, limit: int) -> np.ndarray:
    """Moves each image by its own whole number of pixels; what comes in is black.

    (n, height, width, channels) by shifts (n, 2) in -limit..limit pixels: down, right.
    """
    number, height, width = images.shape[:3]
    padded = np.pad(images, [(0, 0), (limit, limit), (limit, limit), (0, 0)])
    rows = np.arange(height) + limit - shifts[:, :1]
    columns = np.arange(width) + limit - shifts[:, 1:]
    return padded[np.arange(number)[:, None, None], rows[:, :, None], columns[:, None, :]]


def class_weights(labels: np.ndarray, *, num_classes: int, kind: str) -> dict[int, float] | None:
    """What an image's loss is multiplied by, per class, 1 on average; None for no weights.

    The kind `balanced` gives each class the same sum of weights, `none` no weights.
    """
    if kind == "none":
        return None
    counts = np.bincount(labels, minlength=num_classes)
    weights = len(labels) / (num_classes * np.maximum(counts, 1))
    return dict(enumerate(weights.tolist()))
