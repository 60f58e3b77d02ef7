"""What is worth a look among the predictions: mistakes, confused pairs, likely wrong labels."""

import math
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors

from tasks.core.dataset import ImageSplit
from tasks.validate.labels import suggest

# Pixels in one search for neighbours, and of all training images that are searched: they bound
# memory and time, whatever the number of images.
_CHUNK_PIXELS, _SEARCHED_PIXELS = 2**24, 2**30


class Cell(NamedTuple):
    """A cell of the confusion matrix, that of a class (first) and an answer.

    The images are positions of examples: mistakes of which the model was surest, right answers of
    which it was least sure.
    """

    labels: tuple[int, int]
    num_images: int
    images: list[int]


class ConfusedPair(NamedTuple):
    """Two classes that the model takes for each other, the first more often for the second.

    The counts are of the first called the second, and of the reverse; the images are positions of
    examples, the surest mistakes first.
    """

    labels: tuple[int, int]
    counts: tuple[int, int]
    images: list[int]


def find_mistakes(predictions: pd.DataFrame, *, number: int) -> list[int]:
    """Positions of the mistakes of which the model was surest, the surest first."""
    wrong = predictions["label"] != predictions["predicted"]
    return choose_surest(predictions[wrong], number=number)


def choose_surest(predictions: pd.DataFrame, *, number: int) -> list[int]:
    """Positions of the images of whose answer the model was surest, the surest first."""
    return _surest_first(predictions)["index"].head(number).tolist()


def _surest_first(predictions: pd.DataFrame) -> pd.DataFrame:
    return predictions.sort_values(["confidence", "index"], ascending=[False, True])


def find_cells(predictions: pd.DataFrame, *, number: int, examples: int) -> list[Cell]:
    """The cells of right answers, and the fullest of the others, row by row."""
    cells, wrong = [], []
    groups: Any = _surest_first(predictions).groupby(["label", "predicted"])
    for (label, answer), group in groups:
        images = group["index"].iloc[:: -1 if label == answer else 1].head(examples)
        cells.append(Cell((int(label), int(answer)), len(group), images.tolist()))
        wrong += cells[-1:] if label != answer else []
    fullest = sorted(wrong, key=lambda cell: -cell.num_images)[:number]
    return [cell for cell in cells if cell in fullest or len(set(cell.labels)) == 1]


def find_confused_pairs(
    predictions: pd.DataFrame, *, number: int, examples: int
) -> list[ConfusedPair]:
    """The pairs of classes that are most often taken for each other, the worst first."""
    wrong = _surest_first(predictions[predictions["label"] != predictions["predicted"]])
    both = wrong[["label", "predicted"]]
    pairs = []
    groups: Any = wrong.groupby([both.min(axis=1), both.max(axis=1)])
    for labels, group in groups:
        counts = Counter(group["label"].tolist())
        one, other = sorted(map(int, labels), key=lambda label: (-counts[label], label))
        images = group["index"].head(examples).tolist()
        pairs.append(ConfusedPair((one, other), (counts[one], counts[other]), images))
    return sorted(pairs, key=lambda pair: (-sum(pair.counts), pair.labels))[:number]


def find_doubtful_labels(labels: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    """The images whose label a model doubts that wasn't trained on them.

    From (n,) labels and (n, classes) probabilities: image (a position), label and suggestion, the
    most doubtful first: those with the largest gap between the probabilities of the two.
    """
    suggestions = suggest(probabilities, labels)
    images = np.flatnonzero(suggestions != labels)
    label, suggestion = labels[images].astype(np.int64), suggestions[images]
    gaps = probabilities[images, suggestion] - probabilities[images, label]
    table = pd.DataFrame({"image": images, "label": label, "suggestion": suggestion})
    return table.iloc[np.argsort(-gaps, kind="stable")].reset_index(drop=True)


def ask_neighbours(
    doubtful: pd.DataFrame, images: np.ndarray, *, training: ImageSplit, number: int
) -> pd.DataFrame:
    """A second opinion on doubtful labels, without the model: the nearest training images.

    Args:
        doubtful: as `find_doubtful_labels` gives it.
        images: (n, height, width, channels) uint8, those in question among them.
        training: images and labels among which neighbours are looked for; some of them, evenly
            spaced, where all have more than a thousand million pixels.
        number: of neighbours.

    Returns:
        The same rows, and how many neighbours have the label that is suggested (supporters) and how
        many that of the image (opponents).

    """
    votes = np.empty((0, number))
    if len(doubtful):
        votes = _nearest_labels(images[doubtful["image"].to_numpy()], training, number=number)
    return doubtful.assign(
        supporters=(votes == doubtful[["suggestion"]].to_numpy()).sum(axis=1),
        opponents=(votes == doubtful[["label"]].to_numpy()).sum(axis=1),
    )


def _nearest_labels(images: np.ndarray, training: ImageSplit, *, number: int) -> np.ndarray:
    """The labels, (n, number), of the training images with the nearest pixels, a chunk at a time.

    Pixels are whole numbers, so that the distances between images of usual sizes are exact.
    """
    pixels = images.reshape(len(images), -1).astype(np.float64)
    size = max(number, _CHUNK_PIXELS // pixels.shape[1])
    distances, labels = [], []
    spacing = max(1, math.ceil(training.images.size / _SEARCHED_PIXELS))
    for start in range(0, len(training.images), size * spacing):
        rows = slice(start, start + size * spacing, spacing)
        chunk = training.images[rows].reshape(-1, pixels.shape[1])
        search = NearestNeighbors(n_neighbors=min(number, len(chunk)), algorithm="brute")
        found, positions = search.fit(chunk.astype(np.float64)).kneighbors(pixels)
        distances.append(found)
        labels.append(training.labels[rows][positions])
    order = np.argsort(np.hstack(distances), axis=1, kind="stable")[:, :number]
    return np.take_along_axis(np.hstack(labels), order, axis=1)


def undo_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """What the model would answer, (n, classes), if its scores weren't divided by a temperature."""
    powers = probabilities.astype(np.float64) ** temperature
    return powers / powers.sum(axis=1, keepdims=True)
