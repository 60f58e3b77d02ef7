"""The report points at what is worth a look."""

import numpy as np

from tasks.evaluate.tables import tabulate_predictions
from tasks.report.findings import (
    ask_neighbours,
    choose_samples,
    find_confused_pairs,
    find_doubtful_labels,
    find_mistakes,
    probabilities_of,
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


def test_the_probabilities_come_back_in_the_order_of_the_classes() -> None:
    assert (
        probabilities_of(table([0], [[0.2, 0.3, 0.5]]))[0].tolist()
        == np.array([0.2, 0.3, 0.5], np.float32).tolist()
    )


def test_labels_that_were_swapped_are_found() -> None:
    """Five of two hundred labels are made wrong; they are the five most doubtful."""
    labels = np.arange(200) % 4
    probabilities = made_up_answers(labels, num_classes=4, seed=3)
    sure = np.argsort(-probabilities.max(axis=1))[:5]
    assert (probabilities[sure].argmax(axis=1) == labels[sure]).all()
    swapped = labels.copy()
    swapped[sure] = (labels[sure] + 1) % 4
    assert set(find_doubtful_labels(swapped, probabilities)[:5]) == set(sure.tolist())


def test_no_label_is_doubtful_where_the_model_is_always_right() -> None:
    labels = np.arange(9) % 3
    assert find_doubtful_labels(labels, np.eye(3)[labels]) == []


def test_an_absent_class_is_never_suggested_and_breaks_nothing() -> None:
    labels = np.zeros(4, np.uint8)
    probabilities = np.array([[0.9, 0.1, 0.0]] * 3 + [[0.0, 0.1, 0.9]])
    assert find_doubtful_labels(labels, probabilities) == []


def test_neighbours_side_with_the_truth_on_real_images() -> None:
    """Real trousers labelled as bags: the nearest training images say trouser."""
    splits = real_splits()
    trousers = np.flatnonzero(splits["test"].labels == 1).tolist()
    labels = np.full(len(splits["test"].labels), 8, np.uint8)
    answers = np.full(len(labels), 1, np.uint8)
    doubtful = ask_neighbours(
        splits["test"].images,
        labels,
        answers,
        trousers,
        training=(splits["train"].images, splits["train"].labels),
        number=5,
    )
    assert len(doubtful) == len(trousers)
    assert sum(label.supporters > label.opponents for label in doubtful) >= 9
    assert [label.image for label in doubtful] == trousers


def test_the_neighbours_are_the_same_however_the_images_are_divided(monkeypatch) -> None:
    splits = real_splits()
    arguments = (splits["test"].images, splits["test"].labels, splits["test"].labels, [0, 1, 2])
    training = (splits["train"].images, splits["train"].labels)
    whole = ask_neighbours(*arguments, training=training, number=5)
    monkeypatch.setattr("tasks.report.findings._CHUNK_PIXELS", 784 * 37)
    assert ask_neighbours(*arguments, training=training, number=5) == whole


def test_fewer_training_images_than_neighbours_are_enough() -> None:
    images = np.zeros((3, 2, 2, 1), np.uint8)
    labels = np.array([0, 1, 1])
    doubtful = ask_neighbours(
        images, labels, np.array([1, 0, 0]), [0], training=(images, labels), number=15
    )
    assert (doubtful[0].supporters, doubtful[0].opponents) == (2, 1)


def test_samples_are_the_first_images_of_each_class() -> None:
    assert choose_samples(np.array([1, 0, 1, 1]), num_classes=3, number=2) == [[1], [0, 2], []]
