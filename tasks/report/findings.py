"""What is worth a look among the predictions: mistakes, confused pairs, likely wrong labels."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors

_PROBABILITY = "probability: "
# Pixels in one search for neighbours: bounds the memory, whatever the number of images.
_CHUNK_PIXELS = 2**24


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


def probabilities_of(predictions: pd.DataFrame) -> np.ndarray:
    """The (n, classes) probabilities in the table of predictions."""
    columns = [name for name in predictions.columns if name.startswith(_PROBABILITY)]
    return predictions[columns].to_numpy()


def find_mistakes(predictions: pd.DataFrame, *, number: int) -> list[int]:
    """Positions of the mistakes of which the model was surest, the surest first."""
    wrong = predictions["label"] != predictions["predicted"]
    return choose_surest(predictions, predictions.loc[wrong, "index"], number=number)


def choose_surest(predictions: pd.DataFrame, positions: Iterable[int], *, number: int) -> list[int]:
    """Of these positions, those of whose answer the model was surest, the surest first."""
    chosen = predictions[predictions["index"].isin(list(positions))]
    surest = chosen.sort_values(["confidence", "index"], ascending=[False, True])
    return surest["index"].head(number).tolist()


def find_confused_pairs(
    predictions: pd.DataFrame, *, number: int, examples: int
) -> list[ConfusedPair]:
    """The pairs of classes that are most often taken for each other, the worst first."""
    wrong = predictions[predictions["label"] != predictions["predicted"]]
    counts = Counter(zip(wrong["label"].tolist(), wrong["predicted"].tolist(), strict=True))
    pairs = []
    for one, other in combinations(sorted({label for pair in counts for label in pair}), 2):
        there, back = counts[one, other], counts[other, one]
        if not there + back:
            continue
        ends = {one, other}
        both = wrong[wrong["label"].isin(ends) & wrong["predicted"].isin(ends)]
        pairs.append(
            ConfusedPair(
                labels=(one, other) if there >= back else (other, one),
                counts=(max(there, back), min(there, back)),
                images=find_mistakes(both, number=examples),
            )
        )
    return sorted(pairs, key=lambda pair: (-sum(pair.counts), pair.labels))[:number]


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
    num_classes = probabilities.shape[1]
    thresholds = np.array(
        [
            probabilities[labels == label, label].mean() if (labels == label).any() else np.inf
            for label in range(num_classes)
        ]
    )
    everyone = np.arange(len(labels))
    likely = np.where(probabilities >= thresholds, probabilities, -np.inf)
    suggested = likely.argmax(axis=1)
    own = probabilities[everyone, labels]
    gap = likely.max(axis=1) - own
    doubtful = np.flatnonzero((suggested != labels) & (gap > 0) & (own < thresholds[labels]))
    return doubtful[np.argsort(-gap[doubtful], kind="stable")].tolist()


def ask_neighbours(
    images: np.ndarray,
    labels: np.ndarray,
    suggested: np.ndarray,
    positions: list[int],
    *,
    training: tuple[np.ndarray, np.ndarray],
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
    nearest = _nearest_labels(images[positions], *training, number=number)
    return [
        DoubtfulLabel(
            image=position,
            suggested=int(suggested[position]),
            supporters=int((votes == suggested[position]).sum()),
            opponents=int((votes == labels[position]).sum()),
        )
        for position, votes in zip(positions, nearest, strict=True)
    ]


def _nearest_labels(
    images: np.ndarray, training_images: np.ndarray, training_labels: np.ndarray, *, number: int
) -> np.ndarray:
    """The labels, (n, number), of the training images with the nearest pixels, a chunk at a time.

    Pixels are whole numbers, so that the distances between images of usual sizes are exact.
    """
    pixels = images.reshape(len(images), -1).astype(np.float64)
    size = max(number, _CHUNK_PIXELS // pixels.shape[1])
    distances, labels = [], []
    for start in range(0, len(training_images), size):
        chunk = training_images[start : start + size].reshape(-1, pixels.shape[1])
        search = NearestNeighbors(n_neighbors=min(number, len(chunk)), algorithm="brute")
        found, positions = search.fit(chunk.astype(np.float64)).kneighbors(pixels)
        distances.append(found)
        labels.append(training_labels[start + positions])
    order = np.argsort(np.hstack(distances), axis=1, kind="stable")[:, :number]
    return np.take_along_axis(np.hstack(labels), order, axis=1)


def choose_samples(labels: np.ndarray, *, num_classes: int, number: int) -> list[list[int]]:
    """For each class, the positions of its first images."""
    return [np.flatnonzero(labels == label)[:number].tolist() for label in range(num_classes)]
