"""What is worth a look among the predictions: mistakes, confused pairs, likely wrong labels."""

import math
from collections import Counter
from collections.abc import Iterable
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
    return choose_surest(predictions, predictions.loc[wrong, "index"], number=number)


def choose_surest(predictions: pd.DataFrame, positions: Iterable[int], *, number: int) -> list[int]:
    """Of these positions, those of whose answer the model was surest, the surest first."""
    chosen = predictions[predictions["index"].isin(list(positions))]
    return _surest_first(chosen)["index"].head(number).tolist()


def _surest_first(predictions: pd.DataFrame) -> pd.DataFrame:
    return predictions.sort_values(["confidence", "index"], ascending=[False, True])


def find_cells(predictions: pd.DataFrame, *, number: int, examples: int) -> list[Cell]:
    """The cells of right answers, and the fullest of the others, row by row."""
    groups: Any = _surest_first(predictions).groupby(["label", "predicted"])
    cells = [
        Cell((int(label), int(answer)), len(group), group["index"].tolist())
        for (label, answer), group in groups
    ]
    right = [
        cell._replace(images=cell.images[::-1]) for cell in cells if len(set(cell.labels)) == 1
    ]
    wrong = sorted(
        (cell for cell in cells if len(set(cell.labels)) == 2), key=lambda cell: -cell.num_images
    )
    shown = sorted([*right, *wrong[:number]])
    return [cell._replace(images=cell.images[:examples]) for cell in shown]


def find_confused_pairs(
    predictions: pd.DataFrame, *, number: int, examples: int
) -> list[ConfusedPair]:
    """The pairs of classes that are most often taken for each other, the worst first."""
    wrong = predictions[predictions["label"] != predictions["predicted"]]
    counts = Counter(zip(wrong["label"].tolist(), wrong["predicted"].tolist(), strict=True))
    directed = {
        (one, other) if (counts[one, other], other) >= (counts[other, one], one) else (other, one)
        for one, other in counts
    }
    pairs = [
        ConfusedPair((one, other), (counts[one, other], counts[other, one]), [])
        for one, other in directed
    ]
    worst = sorted(pairs, key=lambda pair: (-sum(pair.counts), pair.labels))[:number]
    return [
        pair._replace(
            images=find_mistakes(
                wrong[wrong["label"].isin(pair.labels) & wrong["predicted"].isin(pair.labels)],
                number=examples,
            )
        )
        for pair in worst
    ]


def find_doubtful_labels(labels: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    """The images whose label a model doubts that wasn't trained on them.

    Args:
        labels: (n,) as given.
        probabilities: (n, classes) of the model.

    Returns:
        Their image (a position), label and suggestion, the most doubtful first: those with the
        largest gap between the probabilities of the two.

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
    columns = {"supporters": "suggestion", "opponents": "label"}
    return doubtful.assign(
        **{
            name: (votes == doubtful[[column]].to_numpy()).sum(axis=1)
            for name, column in columns.items()
        }
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
