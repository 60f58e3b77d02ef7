"""The report points at what is worth a look."""

import numpy as np
import pandas as pd

from tasks.core.dataset import ImageSplit
from tasks.evaluate.tables import tabulate_predictions
from tasks.report.findings import (
    ask_neighbours,
    find_cells,
    find_confused_pairs,
    find_doubtful_labels,
    find_mistakes,
    undo_temperature,
)
from tests.tasks.report.conftest import made_up_answers, real_splits

CLASSES = ("cat", "dog", "owl")


def table(labels: list[int], rows: list[list[float]]):
    return tabulate_predictions(
        np.array(labels, np.uint8), np.array(rows, np.float32), classes=CLASSES
    )


CAT, SURE_CAT, DOG = [0.6, 0.3, 0.1], [0.9, 0.1, 0.0], [0.2, 0.7, 0.1]


def test_the_surest_mistakes_come_first_and_right_answers_not_at_all() -> None:
    predictions = table([1, 0, 2, 1, 2], [CAT, SURE_CAT, SURE_CAT, DOG, DOG])
    assert find_mistakes(predictions, number=9) == [2, 4, 0]
    assert find_mistakes(predictions, number=1) == [2]


def test_equally_sure_mistakes_come_in_their_order() -> None:
    assert find_mistakes(table([1, 1, 1], [CAT, CAT, CAT]), number=2) == [0, 1]


def test_a_pair_counts_both_directions_and_names_the_commoner_first() -> None:
    predictions = table([1, 1, 0, 2, 0], [CAT, SURE_CAT, DOG, CAT, CAT])
    pairs = find_confused_pairs(predictions, number=9, examples=2)
    assert [(pair.labels, pair.counts, pair.images) for pair in pairs] == [
        ((1, 0), (2, 1), [1, 2]),
        ((2, 0), (1, 0), [3]),
    ]


def test_without_mistakes_there_are_no_pairs() -> None:
    assert find_confused_pairs(table([0], [CAT]), number=3, examples=3) == []


def test_a_cell_shows_the_surest_mistakes_or_the_least_sure_right_answers() -> None:
    predictions = table([1, 0, 1, 0, 2], [CAT, CAT, SURE_CAT, SURE_CAT, DOG])
    cells = find_cells(predictions, number=9, examples=1)
    assert [(cell.labels, cell.num_images, cell.images) for cell in cells] == [
        ((0, 0), 2, [1]),
        ((1, 0), 2, [2]),
        ((2, 1), 1, [4]),
    ]
    fullest = find_cells(predictions, number=1, examples=1)
    assert [cell.labels for cell in fullest] == [(0, 0), (1, 0)]


def test_without_its_temperature_a_model_answers_as_its_scores_say() -> None:
    scores = np.random.default_rng(0).normal(0, 3, (50, 4))

    def softmax(values: np.ndarray) -> np.ndarray:
        exponents = np.exp(values)
        return exponents / exponents.sum(axis=1, keepdims=True)

    found = undo_temperature(softmax(scores / 1.7), 1.7)
    np.testing.assert_allclose(found, softmax(scores), rtol=1e-9)


def test_labels_that_were_swapped_are_found() -> None:
    """Five of two hundred labels are made wrong; they are the five most doubtful."""
    labels = np.arange(200) % 4
    probabilities = made_up_answers(labels, num_classes=4, seed=3)
    sure = np.argsort(-probabilities.max(axis=1))[:5]
    assert (probabilities[sure].argmax(axis=1) == labels[sure]).all()
    swapped = labels.copy()
    swapped[sure] = (labels[sure] + 1) % 4
    doubtful = find_doubtful_labels(swapped, probabilities)
    assert set(doubtful["image"][:5]) == set(sure.tolist())
    assert (doubtful["suggestion"][:5] == labels[doubtful["image"][:5]]).all()


def test_no_label_is_doubtful_where_the_model_is_always_right() -> None:
    labels = np.arange(9) % 3
    assert find_doubtful_labels(labels, np.eye(3)[labels]).empty


def test_an_absent_class_is_never_suggested_and_breaks_nothing() -> None:
    labels = np.zeros(4, np.uint8)
    probabilities = np.array([[0.9, 0.1, 0.0]] * 3 + [[0.0, 0.1, 0.9]])
    assert find_doubtful_labels(labels, probabilities).empty


def test_neighbours_side_with_the_truth_on_real_images() -> None:
    """Real trousers labelled as bags: the nearest training images say trouser."""
    splits = real_splits()
    trousers = np.flatnonzero(splits["test"].labels == 1)
    doubted = pd.DataFrame({"image": trousers, "label": 8, "suggestion": 1})
    asked = ask_neighbours(doubted, splits["test"].images, training=splits["train"], number=5)
    assert asked[["image", "label", "suggestion"]].equals(doubted)
    assert (asked["supporters"] > asked["opponents"]).sum() >= 9


def test_the_neighbours_are_the_same_however_the_images_are_divided(monkeypatch) -> None:
    splits = real_splits()
    labels = splits["test"].labels[:3]
    doubted = pd.DataFrame({"image": [0, 1, 2], "label": labels, "suggestion": labels})
    options = {"training": splits["train"], "number": 5}
    whole = ask_neighbours(doubted, splits["test"].images, **options)
    monkeypatch.setattr("tasks.report.findings._CHUNK_PIXELS", 784 * 37)
    assert ask_neighbours(doubted, splits["test"].images, **options).equals(whole)


def test_of_very_many_training_images_some_evenly_spaced_are_asked(monkeypatch) -> None:
    splits = real_splits()
    training = splits["train"]
    labels = splits["test"].labels[:3]
    doubted = pd.DataFrame({"image": [0, 1, 2], "label": labels, "suggestion": labels})
    third = ImageSplit(training.images[::3], training.labels[::3])
    expected = ask_neighbours(doubted, splits["test"].images, training=third, number=5)
    monkeypatch.setattr("tasks.report.findings._SEARCHED_PIXELS", training.images.size // 3 + 784)
    for chunk in (2**24, 784 * 37):
        monkeypatch.setattr("tasks.report.findings._CHUNK_PIXELS", chunk)
        asked = ask_neighbours(doubted, splits["test"].images, training=training, number=5)
        assert asked.equals(expected)


def test_fewer_training_images_than_neighbours_are_enough() -> None:
    images = np.zeros((3, 2, 2, 1), np.uint8)
    training = ImageSplit(images, np.array([0, 1, 1]))
    doubted = pd.DataFrame({"image": [0], "label": [0], "suggestion": [1]})
    asked = ask_neighbours(doubted, images, training=training, number=15)
    assert asked[["supporters", "opponents"]].to_numpy().tolist() == [[2, 1]]
