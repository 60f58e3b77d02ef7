"""What is worth a look among the predictions: mistakes, confused pairs, likely wrong labels."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors

from tasks.core.dataset import ImageSplit

# Pixels in one search for neighbours: bounds the memory, whatever the number of images.
_CHUNK_PIXELS = 2**24


@dataclass(frozen=True)
class Cell:
    """A cell of the confusion matrix.

    Attributes:
        labels: the true class, and the one that the model names.
        count: how many images lie in it.
        images: positions of examples: mistakes of which it was surest, right answers of which it
            was least sure.

    """

    labels: tuple[int, int]
    count: int
    images: list[int]


@dataclass(frozen=True)
class ConfusedPair:
    """Two classes that the model takes for each other.

    Attributes:
        labels: the two classes; the first is more often taken for the second than the reverse.
        counts: how often the first was called the second, and the reverse.
        images: positions of examples, the surest mistakes first.

    """

    labels: tuple[int, int]
    counts: tuple[int, int]
    images: list[int]


@dataclass(frozen=True)
class DoubtfulLabel:
    """A label that the model doubts.

    Attributes:
        image: its position.
        suggested: the class that the model would give it.
        supporters: how many of the nearest training images are labelled as suggested.
        opponents: how many of them are labelled as this image is.

    """

    image: int
    suggested: int
    supporters: int
    opponents: int


def find_mistakes(predictions: pd.DataFrame, *, number: int) -> list[int]:
    """Positions of the mistakes of which the model was surest, the surest first."""
    wrong = predictions["label"] != predictions["predicted"]
    return choose_surest(predictions, predictions.loc[wrong, "index"], number=number)


def choose_surest(predictions: pd.DataFrame, positions: Iterable[int], *, number: int) -> list[int]:
    """Of these positions, those of whose answer the model was surest, the surest first."""
    chosen = predictions[predictions["index"].isin(list(positions))]
    surest = chosen.sort_values(["confidence", "index"], ascending=[False, True])
    return surest["index"].head(number).tolist()


def find_cells(predictions: pd.DataFrame, *, number: int, examples: int) -> list[Cell]:
    """The cells of right answers, and the fullest of the others, row by row."""
    surest = predictions.sort_values(["confidence", "index"], ascending=[False, True])
    images: dict[tuple[int, int], list[int]] = defaultdict(list)
    columns = (surest[name].tolist() for name in ("label", "predicted", "index"))
    for label, predicted, position in zip(*columns, strict=True):
        images[label, predicted].append(position)
    wrong = sorted(
        (labels for labels in images if labels[0] != labels[1]),
        key=lambda labels: (-len(images[labels]), labels),
    )
    right = [labels for labels in images if labels[0] == labels[1]]
    return [
        Cell(
            labels,
            count=len(images[labels]),
            images=images[labels][:: -1 if labels[0] == labels[1] else 1][:examples],
        )
        for labels in sorted([*right, *wrong[:number]])
    ]


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
    totals = [(counts[one, other], counts[other, one]) for one, other in directed]
    worst = sorted(zip(directed, totals, strict=True), key=lambda pair: (-sum(pair[1]), pair[0]))
    return [
        ConfusedPair(
            labels=labels,
            counts=total,
            images=find_mistakes(
                wrong[wrong["label"].isin(labels) & wrong["predicted"].isin(labels)],
                number=examples,
            ),
        )
        for labels, total in worst[:number]
    ]


def find_doubtful_labels(labels: np.ndarray, probabilities: np.ndarray) -> list[int]:
    """Positions of the images whose label the model doubts, the most doubtful first.

    Confident learning: a label is in doubt when the model gives another class at least the
    probability that it gives, on average, to the images labelled as that class, and this class less
    than its average. Those with the largest gap between the two probabilities come first.

    Args:
        labels: (n,) as given.
        probabilities: (n, classes) of a model that wasn't trained on these images.

    Source: Northcutt et al., Confident Learning, https://arxiv.org/abs/1911.00068.

    """
    own = probabilities[np.arange(len(labels)), labels]
    means = pd.Series(own).groupby(labels).mean()
    thresholds = means.reindex(range(probabilities.shape[1]), fill_value=np.inf).to_numpy()
    likely = np.where(probabilities >= thresholds, probabilities, -np.inf)
    gap = likely.max(axis=1) - own
    in_doubt = (likely.argmax(axis=1) != labels) & (gap > 0) & (own < thresholds[labels])
    doubtful = np.flatnonzero(in_doubt)
    return doubtful[np.argsort(-gap[doubtful], kind="stable")].tolist()


def ask_neighbours(
    images: np.ndarray,
    labels: np.ndarray,
    suggested: np.ndarray,
    positions: list[int],
    *,
    training: ImageSplit,
    number: int,
) -> list[DoubtfulLabel]:
    """A second opinion on doubtful labels, without the model: the nearest training images.

    Args:
        images: (n, height, width, channels) uint8.
        labels: (n,) as given.
        suggested: (n,) the classes that the model names.
        positions: the images in question.
        training: images and labels among which neighbours are looked for.
        number: of neighbours.

    Returns:
        One per position, in the same order.

    """
    if not positions:
        return []
    return [
        DoubtfulLabel(
            image=position,
            suggested=int(suggested[position]),
            supporters=int((votes == suggested[position]).sum()),
            opponents=int((votes == labels[position]).sum()),
        )
        for position, votes in zip(
            positions, _nearest_labels(images[positions], training, number=number), strict=True
        )
    ]


def _nearest_labels(images: np.ndarray, training: ImageSplit, *, number: int) -> np.ndarray:
    """The labels, (n, number), of the training images with the nearest pixels, a chunk at a time.

    Pixels are whole numbers, so that the distances between images of usual sizes are exact.
    """
    pixels = images.reshape(len(images), -1).astype(np.float64)
    size = max(number, _CHUNK_PIXELS // pixels.shape[1])
    distances, labels = [], []
    for start in range(0, len(training.images), size):
        chunk = training.images[start : start + size].reshape(-1, pixels.shape[1])
        search = NearestNeighbors(n_neighbors=min(number, len(chunk)), algorithm="brute")
        found, positions = search.fit(chunk.astype(np.float64)).kneighbors(pixels)
        distances.append(found)
        labels.append(training.labels[start + positions])
    order = np.argsort(np.hstack(distances), axis=1, kind="stable")[:, :number]
    return np.take_along_axis(np.hstack(labels), order, axis=1)


def undo_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """What the model would answer, (n, classes), if its scores weren't divided by a temperature."""
    powers = probabilities.astype(np.float64) ** temperature
    return powers / powers.sum(axis=1, keepdims=True)
