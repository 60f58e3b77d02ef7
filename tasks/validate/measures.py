"""What is measured of a whole split, a chunk at a time, however large it is."""

from collections.abc import Iterator

import numpy as np

from tasks.core.dataset import ImageSplit
from tasks.images.statistics import iterate_chunks


def count_constant_pixels(images: np.ndarray) -> int:
    """Counts the pixels that have one value, not 0, in all images: those of a broken sensor.

    A pixel that is always 0 is what a margin looks like.
    """
    if len(images) < 2:
        return 0
    extremes = [(chunk.min(axis=0), chunk.max(axis=0)) for chunk in iterate_chunks(images)]
    lowest = np.min([low for low, _ in extremes], axis=0)
    highest = np.max([high for _, high in extremes], axis=0)
    return int(((lowest == highest) & (lowest != 0)).sum())


@np.errstate(invalid="ignore")  # pixels that are NaN or infinite have an expectation of their own
def measure_centroid_recall(split: ImageSplit, training: ImageSplit) -> float:
    """The share of images that are nearest to the mean image of their own class, over classes.

    Where images and labels belong together it is far above chance (1 / classes), whatever the
    images show; where the labels were shuffled or shifted, it is chance. An image that is itself
    part of its class's mean is compared with the mean of the others: ‖x − (n·m − x) / (n − 1)‖ =
    n / (n − 1) · ‖x − m‖.

    The mean images are of the training images, which may be those that are asked. In [0, 1]; NaN
    if it can't be measured.
    """
    held_in = split is training
    present, means, counts = _average_classes(training, at_least=1 + held_in)
    if not len(present) or not len(split.labels) or means[0].size != split.images[:1].size:
        return float("nan")
    correct = []
    for pixels, labels in _iterate_labelled(split):
        squares = (pixels**2).sum(axis=1)[:, None] + (means**2).sum(axis=1)
        distances = (squares - 2 * pixels @ means.T).astype(np.float64)
        if held_in:
            own = labels[:, None] == present
            distances = np.where(own, distances * (counts / (counts - 1)) ** 2, distances)
        correct.append(present[distances.argmin(axis=1)] == labels)
    hits = np.concatenate(correct)
    known = split.labels[: len(hits)]
    recalls = [hits[known == label].mean() for label in present if (known == label).any()]
    return float(np.mean(recalls)) if recalls else float("nan")


def _average_classes(split: ImageSplit, *, at_least: int) -> tuple[np.ndarray, ...]:
    """The labels that so many images have, (m,), their mean images, (m, pixels), and numbers."""
    labels, counts = np.unique(split.labels[: len(split.images)], return_counts=True)
    sums = np.zeros((len(labels), int(np.prod(split.images.shape[1:]))))
    for pixels, of_pixels in _iterate_labelled(split):
        sums += (of_pixels == labels[:, None]).astype(np.float32) @ pixels
    enough = counts >= at_least
    means = (sums / counts[:, None]).astype(np.float32)
    return labels[enough], means[enough], counts[enough]


def _iterate_labelled(split: ImageSplit) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields (m, pixels) float32 and their (m,) labels; images without a label are left out."""
    start = 0
    for chunk in iterate_chunks(split.images[: len(split.labels)]):
        yield chunk.astype(np.float32), np.asarray(split.labels[start : start + len(chunk)])
        start += len(chunk)
