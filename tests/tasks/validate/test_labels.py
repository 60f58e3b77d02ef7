"""Flipped labels stand first in the list, a rise is noticed, and clean data raises no alarm."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from benchmarks.labels import make_images
from tasks.core.dataset import ImageSplit
from tasks.validate.labels import COLUMNS, compare_suspicions, look_at_labels
from tasks.validate.parameters import Suspicion


def flip(labels: np.ndarray, share: float, num_classes: int) -> np.ndarray:
    generator = np.random.default_rng(3)
    places = generator.choice(len(labels), int(share * len(labels)), replace=False)
    flipped = labels.astype(np.int64)
    flipped[places] += generator.integers(1, num_classes, len(places))
    return (flipped % num_classes).astype(np.uint8)


def find(images: np.ndarray, labels: np.ndarray, num_classes: int) -> pd.DataFrame:
    return look_at_labels(ImageSplit(images, labels), num_classes=num_classes, seed=0)[0]


def count(images: np.ndarray, labels: np.ndarray, num_classes: int) -> Suspicion:
    return look_at_labels(ImageSplit(images, labels), num_classes=num_classes, seed=0)[1]


@pytest.mark.parametrize(("num_classes", "per_class"), [(2, 200), (5, 100), (20, 50), (100, 20)])
def test_flipped_labels_stand_first_with_their_true_class(num_classes: int, per_class: int) -> None:
    images, labels = make_images([per_class] * num_classes, 0, size=16)
    flipped = flip(labels, 0.05, num_classes)
    wrong = np.flatnonzero(flipped != labels)
    table = find(images, flipped, num_classes)
    first = table.head(len(wrong))
    assert np.isin(first["position"], wrong).mean() > 0.75
    right = labels[first["position"]] == first["suggestion"]
    assert right.mean() > 0.75
    assert (table["probability_suggestion"] > table["probability_label"]).all()


def test_the_order_is_the_same_whatever_the_numbers_in_memory() -> None:
    """A sum of pixels is a whole number: another order of additions changes no bit."""
    images, labels = make_images([100] * 4, 1)
    table = find(images, flip(labels, 0.1, 4), 4)
    again = find(np.asfortranarray(images), flip(labels, 0.1, 4), 4)
    assert table.equals(again)


@pytest.mark.parametrize("counts", [[3, 3], [5] * 5, [1, 300], [2, 1], [10] * 100, [0, 40, 40]])
def test_however_few_the_images_are_the_list_is_about_their_classes(counts: list[int]) -> None:
    images, labels = make_images(counts, 0)
    table = find(images, labels, len(counts))
    assert list(table.columns) == COLUMNS
    assert (table["label"].to_numpy() == labels[table["position"].to_numpy(int)]).all()
    enough = {label for label, number in enumerate(counts) if number >= 3}
    assert set(table["suggestion"]) | set(table["label"]) <= enough


def test_images_that_are_all_alike_tell_nothing() -> None:
    images, labels = np.full((40, 6, 6, 1), 7, np.uint8), np.arange(40) % 2
    table = find(images, labels, 2)
    assert (table["probability_suggestion"] < 0.52).all()


def test_large_colour_images_are_made_small() -> None:
    images, labels = make_images([30] * 2, 0, size=70, channels=3)
    table = find(images, flip(labels, 0.1, 2), 2)
    wrong = np.flatnonzero(flip(labels, 0.1, 2) != labels)
    assert len(set(table["position"]) & set(wrong)) >= len(wrong) - 1


def test_a_rise_of_wrong_labels_in_one_class_is_noticed_in_that_class() -> None:
    accepted = count(*make_images([400] * 5, 1), 5)
    images, labels = make_images([400] * 5, 2)
    changed = labels.copy()
    changed[np.flatnonzero(labels == 0)[:50]] = 3
    probabilities = compare_suspicions(count(images, changed, 5), accepted)
    assert probabilities[0, 3] < 0.01
    assert probabilities[1, 0] < 0.01
    assert (probabilities[:, [1, 2, 4]] > 0.01).all()


@pytest.mark.parametrize("pairs", [[(0, 1)], [(0, 1), (2, 3)], [(0, 1), (1, 2), (2, 0)]])
def test_wrong_labels_in_more_classes_are_no_less_noticed(pairs: list[tuple[int, int]]) -> None:
    accepted = count(*make_images([200] * 6, 1), 6)
    images, labels = make_images([200] * 6, 2)
    changed = labels.copy()
    for label, other in pairs:
        changed[np.flatnonzero(labels == label)[:40]] = other
    probabilities = compare_suspicions(count(images, changed, 6), accepted)
    assert (probabilities[0, [other for _, other in pairs]] < 0.01).all()


def test_classes_that_take_turns_are_found_as_in_any_order() -> None:
    images, labels = make_images([12_000, 12_000], 1)
    flipped = flip(labels, 0.02, 2)
    for order in (np.arange(24_000), np.argsort(labels, kind="stable").reshape(2, -1).T.ravel()):
        table = find(images[order], flipped[order], 2)
        first = table.head(480)["position"]
        assert (flipped != labels)[order][first].mean() > 0.75


def test_a_few_wrong_labels_that_are_surely_wrong_are_noticed_among_many_that_may_be() -> None:
    """A dozen more at the border are nothing; a dozen that are hardly of their class are many."""
    accepted = Suspicion(
        images=[1000, 1000],
        suspected=[100, 100],
        suggested=[100, 100],
        surely_suspected=[0, 0],
        surely_suggested=[0, 0],
    )
    counts = accepted.model_dump()
    border = counts | {"suspected": [112, 100], "suggested": [100, 112]}
    wrong = border | {"surely_suspected": [12, 0], "surely_suggested": [0, 12]}
    assert compare_suspicions(Suspicion(**border), accepted).min() > 0.5
    assert compare_suspicions(Suspicion(**wrong), accepted).min() < 0.01


@pytest.mark.parametrize(("num_classes", "per_class"), [(2, 50), (5, 100), (20, 20), (100, 8)])
def test_as_clean_data_as_before_raises_no_alarm(num_classes: int, per_class: int) -> None:
    """Two alarms in seven sets have a probability of 0.2% if each has one of 1%."""
    counts = [
        count(*make_images([per_class] * num_classes, seed), num_classes) for seed in range(8)
    ]
    alarms = sum(
        bool((compare_suspicions(found, accepted) < 0.01).any())
        for accepted, found in pairwise(counts)
    )
    assert alarms <= 1
