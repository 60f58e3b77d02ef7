"""Finds training images whose label is probably wrong: they look like those of another class.

Each image is classified by a quadratic discriminant analysis of the other two thirds of the images,
on their principal components, and confident learning (Northcutt, Jiang and Chuang, 2021) judges the
probabilities. Sums are of whole numbers, and so have the same bits on every processor.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.linalg import eigh, solve_triangular
from scipy.stats import betabinom, binom, hypergeom

from tasks.core.dataset import ImageSplit
from tasks.runner.progress import show_progress
from tasks.validate.parameters import Suspicion

COLUMNS = ["position", "label", "suggestion", "probability_label", "probability_suggestion"]

_MAX_IMAGES = 100_000
_MAX_VALUES = 1_024  # of an image; larger ones are made smaller
_MAX_COMPONENTS = 64
_IMAGES_PER_COMPONENT = 5
_COMPONENT_IMAGES = 10_000  # enough to find the components
_NUM_FOLDS = 3
_POOLED_IMAGES = 64  # that the covariance of all classes counts for in that of one
_STEPS_PER_LEVEL = 4  # of a grey level, to which components are rounded
_CHUNK, _CHUNK_PIXELS = 4_096, 2**24
_HARDLY = 0.0001  # a probability; a power of ten more or less finds the same
_STRENGTHS = 2.0 ** np.arange(1, 13, 0.5)  # of what keeps a class's share in place
_NOTABLE_GAIN = 1.35  # in log-likelihood, that chance gives in one set of twenty
_TEMPERATURES = 2.0 ** np.arange(0, 10, 0.25)


def look_at_labels(
    training: ImageSplit, *, num_classes: int, seed: int
) -> tuple[pd.DataFrame, Suspicion]:
    """Finds the images that are more probably of another class than of their own.

    Of more than 100,000 images, which may be mapped into memory, a sample is looked at; the seed is
    of the sample and the folds. A class with fewer images than folds, or none, is neither suspected
    nor suggested.

    Returns:
        A row per such image, the most suspicious first, with the columns COLUMNS, probabilities
        with four digits; and how many there are of each class.

    """
    labels = training.labels
    chosen = choose_images(labels, num_classes=num_classes, seed=seed)
    given = labels[chosen].astype(np.int64)
    table = pd.DataFrame({column: [] for column in COLUMNS})
    if len(np.unique(given)) > 1:
        components = project(training.images, chosen, seed=seed)
        scores = score_held_out(components, given, num_classes=num_classes, seed=seed)
        table = _tabulate(chosen, given, scores)
    return table, _count(given, table, num_classes)


def _tabulate(chosen: np.ndarray, given: np.ndarray, scores: np.ndarray) -> pd.DataFrame:
    """The suspicious ones of some positions, with their labels and the scores of all classes."""
    probabilities = to_probabilities(scores, given)
    suggested = suggest(probabilities, given)
    suspects = np.flatnonzero(suggested != given)
    label, suggestion = given[suspects], suggested[suspects]
    # What differs between processors is rounded away, and equal ones keep the images' order.
    margins = np.round(scores[suspects, suggestion] - scores[suspects, label], 3)
    of_both = (probabilities[suspects, classes].round(4) for classes in (label, suggestion))
    columns = (chosen[suspects], label, suggestion, *of_both)
    table = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
    return table.iloc[np.argsort(-margins, kind="stable")].reset_index(drop=True)


def _count(looked_at: np.ndarray, suspicious: pd.DataFrame, num_classes: int) -> Suspicion:
    """How many of the images with the labels `looked_at` are suspicious."""
    surely = suspicious[suspicious["probability_label"] <= _HARDLY]
    columns = {"images": looked_at}
    columns |= {"suspected": suspicious["label"], "suggested": suspicious["suggestion"]}
    columns |= {"surely_suspected": surely["label"], "surely_suggested": surely["suggestion"]}
    counts = {
        name: np.bincount(np.asarray(labels, np.int64), minlength=num_classes).tolist()
        for name, labels in columns.items()
    }
    return Suspicion(**counts)


def choose_images(labels: np.ndarray, *, num_classes: int, seed: int) -> np.ndarray:
    """The positions of the images that are looked at, sorted: (m,) int64."""
    order = np.random.default_rng(seed).permutation(len(labels))
    chosen = np.sort(order[:_MAX_IMAGES])
    counts = np.bincount(labels[chosen], minlength=num_classes)
    return chosen[counts[labels[chosen]] >= _NUM_FOLDS]


def project(images: np.ndarray, chosen: np.ndarray, *, seed: int) -> np.ndarray:
    """The principal components of some images: (m, components) float64, whole numbers."""
    # At random, because the order may have a rhythm.
    sample = np.sort(np.random.default_rng(seed).permutation(chosen)[:_COMPONENT_IMAGES])
    total, products = 0.0, 0.0
    for values in _read(images, sample):
        total = total + values.sum(axis=0)
        products = products + values.T @ values
    covariance = products * len(sample) - np.outer(total, total)
    size = len(covariance)
    limit = min(_MAX_COMPONENTS, size, max(1, len(chosen) // _IMAGES_PER_COMPONENT))
    variances, directions = eigh(covariance, subset_by_index=[size - limit, size - 1])
    # Directions without variance are arbitrary, and so differ between processors.
    kept = variances > 1e-6 * max(1.0, variances[-1])
    # With 12 binary places, what is summed next is exact, too.
    exact = np.rint(directions[:, kept] * 2.0**12) / 2.0**12
    parts = [np.rint(values @ exact * _STEPS_PER_LEVEL) for values in _read(images, chosen)]
    return np.concatenate(parts)


def score_held_out(
    components: np.ndarray, labels: np.ndarray, *, num_classes: int, seed: int
) -> np.ndarray:
    """The log-likelihood of each class for each image, by the images of the other folds.

    Returns:
        (n, num_classes) float64, up to a number of each image's own; -inf for absent classes.

    """
    scores = np.full((len(labels), num_classes), -np.inf)
    folds = np.empty(len(labels), np.int64)
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    folds[by_class] = np.arange(len(labels)) % _NUM_FOLDS
    for fold in range(_NUM_FOLDS):
        known, asked = components[folds != fold], components[folds == fold]
        given = labels[folds != fold]
        groups = {label: known[given == label] for label in np.unique(labels).tolist()}
        scatters = {label: _scatter(group) for label, group in groups.items()}
        pooled = sum(scatters.values()) / len(known) + np.eye(components.shape[1])
        for label, group in groups.items():
            shrunk = (scatters[label] + _POOLED_IMAGES * pooled) / (len(group) + _POOLED_IMAGES)
            lower = np.linalg.cholesky(shrunk)
            standard = solve_triangular(lower, (asked - group.mean(axis=0)).T, lower=True)
            volume = np.log(np.diag(lower)).sum() - np.log(len(group))
            scores[folds == fold, label] = -volume - np.square(standard).sum(axis=0) / 2
    return scores


def to_probabilities(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Scores as sure as the labels warrant: pixels aren't independent, as the scores have it.

    One temperature divides them, the one of a grid that makes the labels the most probable.
    """
    rows = np.arange(len(labels))
    best = scores - scores.max(axis=1, keepdims=True)

    def surprise(temperature: float) -> float:
        scaled = best / temperature
        return float((np.log(np.exp(scaled).sum(axis=1)) - scaled[rows, labels]).mean())

    scaled = np.exp(best / min(_TEMPERATURES.tolist(), key=surprise))
    return scaled / scaled.sum(axis=1, keepdims=True)


def suggest(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The class that each image is confidently counted to, or else its own label: (n,) int64.

    Confidently is with the probability that images labelled so have on average.
    """
    classes = np.unique(labels)
    thresholds = np.full(probabilities.shape[1], np.inf)
    thresholds[classes] = [probabilities[labels == label, label].mean() for label in classes]
    confident = np.where(probabilities >= thresholds, probabilities, 0)
    own = probabilities[np.arange(len(labels)), labels]
    return np.where(confident.max(axis=1) > own, confident.argmax(axis=1), labels)


def compare_suspicions(found: Suspicion, accepted: Suspicion) -> np.ndarray:
    """How probable so many suspicious labels are if the images are like the accepted ones.

    A clean set has suspicious labels too: images at the border of two classes. So only a rise
    counts, class by class: of the images that are labelled so, and of the others that are suggested
    to be so. Few images at a border are surely of another class, so that wrong labels, which often
    are, rise above a smaller number there. By Fisher's exact test, so that the chance in both
    samples enters; or, where the classes differ from sample to sample by more than that, as those
    of few images do, by the beta-binomial distribution that the other classes show. The
    probabilities are corrected for the number of comparisons, four per class: one below 1% is a
    false alarm for one set in a hundred, over all classes.

    Returns:
        (4, classes) float64: of the suspected, the suggested, the surely suspected and the surely
        suggested.

    """
    of_class = np.array([found.images, accepted.images])
    of_others = of_class.sum(axis=1, keepdims=True) - of_class
    probabilities = []
    for name in ("suspected", "suggested", "surely_suspected", "surely_suggested"):
        hits = np.array([getattr(found, name), getattr(accepted, name)])
        numbers = of_class if name.endswith("suspected") else of_others
        fisher = hypergeom.sf(hits[0] - 1, numbers.sum(axis=0), hits.sum(axis=0), numbers[0])
        probabilities.append(np.maximum(fisher, _allow_for_dispersion(hits, numbers)))
    return np.minimum(np.stack(probabilities) * len(probabilities) * of_class.shape[1], 1)


def _allow_for_dispersion(hits: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """How probable so many hits are in the first of two samples, if classes rise as others fell.

    Only those that fell show how much classes vary: chance makes as many fall as rise, wrong labels
    make them rise. (2, classes) hits of numbers → (classes,) float64; 0 where chance alone explains
    how far classes fell.
    """
    total = hits.sum(axis=0)
    shares = numbers[0] / np.maximum(1, numbers.sum(axis=0))
    # Where all fell in common, as after a mending of labels, that is no dispersion.
    centres = shares * min(1.0, hits[0].sum() / max(1e-9, (total * shares).sum()))
    strengths = _STRENGTHS[:, None]
    likelihood = betabinom.logpmf(hits[0], total, strengths * centres, strengths * (1 - centres))
    fell = hits[0] < total * centres
    gains = np.where(fell, likelihood - binom.logpmf(hits[0], total, centres), 0).sum(axis=1)
    if gains.max() <= _NOTABLE_GAIN:
        return np.zeros(len(total))
    strength = _STRENGTHS[gains.argmax()]
    return betabinom.sf(hits[0] - 1, total, strength * shares, strength * (1 - shares))


def _scatter(group: np.ndarray) -> np.ndarray:
    total = group.sum(axis=0)
    return group.T @ group - np.outer(total, total) / len(group)


def _read(images: np.ndarray, chosen: np.ndarray) -> Iterator[np.ndarray]:
    """Yields (m, values) float64 arrays of whole numbers: images made small, some at a time."""
    height, width, channels = images.shape[1:]
    step = max(1, int(np.ceil(np.sqrt(height * width * channels / _MAX_VALUES))))
    rows, columns = np.arange(0, height, step), np.arange(0, width, step)
    sizes = np.outer(np.diff([*rows, height]), np.diff([*columns, width]))[None, ..., None]
    size = max(1, min(_CHUNK, _CHUNK_PIXELS // (height * width * channels)))
    parts = (chosen[start : start + size] for start in range(0, len(chosen), size))
    for part in show_progress(parts, what="looking at labels", total=len(chosen)):
        pixels = np.asarray(images[part])
        sums = np.add.reduceat(pixels, rows, axis=1, dtype=np.int64)
        sums = np.add.reduceat(sums, columns, axis=2)
        yield np.rint(sums / sizes).reshape(len(pixels), -1).astype(np.float64)
