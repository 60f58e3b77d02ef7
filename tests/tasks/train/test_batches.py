"""The batches of an epoch depend on the seed and the epoch's number alone."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.dataset import ImageSplit
from tasks.train.batches import Batches, class_weights, shift_images
from tasks.train.parameters import TrainParameters


def make_batches(
    recipe: TrainParameters, num_images: int = 100, epoch: int = 0, **changes: object
) -> Batches:
    """Of images that are told apart by their pixels: the number at the left, 0 at the right."""
    numbers = np.arange(num_images, dtype=np.uint8)
    images = np.zeros((num_images, 1, 2, 1), np.uint8)
    images[:, 0, 0, 0] = numbers
    training = ImageSplit(images, numbers % 3).all()
    batches = Batches(training, num_classes=3, parameters=recipe.model_copy(update=changes))
    batches.start_epoch(epoch)
    return batches


def take_all(batches: Batches) -> np.ndarray:
    """(images, 2): the pixels of all batches."""
    return np.concatenate([batches[index][0][:, 0, :, 0] for index in range(len(batches))])


@given(st.integers(1, 200), st.integers(1, 64))
def test_no_image_has_two_turns_in_an_epoch_and_all_batches_are_alike(
    recipe: TrainParameters, num_images: int, batch_size: int
) -> None:
    batches = make_batches(recipe, num_images, batch_size=batch_size, shift=0)
    numbers = take_all(batches).max(axis=1)
    assert len(set(numbers)) == len(numbers)
    assert {len(batches[i][0]) for i in range(len(batches))} == {min(batch_size, num_images)}
    assert num_images - len(numbers) < batch_size


def test_an_epoch_can_be_drawn_without_those_before_it(recipe: TrainParameters) -> None:
    first, second = (take_all(make_batches(recipe, epoch=3, shift=1)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_as_a_dataset_an_epoch_has_its_batches_and_each_walk_is_of_the_epoch_that_was_started(
    recipe: TrainParameters,
) -> None:
    batches = make_batches(recipe, batch_size=32)
    dataset = batches.as_dataset()
    assert int(dataset.cardinality()) == len(batches) == 3
    for epoch in (0, 1):
        batches.start_epoch(epoch)
        walked = list(dataset.as_numpy_iterator())
        for found, expected in zip(walked, map(batches.__getitem__, range(3)), strict=True):
            np.testing.assert_array_equal(found[0], expected[0])
            np.testing.assert_array_equal(found[1], expected[1])


def test_no_thread_that_tunes_a_dataset_is_waited_for_at_the_end_of_an_epoch(
    recipe: TrainParameters,
) -> None:
    """It sleeps twice as long each time, up to a minute, and isn't woken (TensorFlow 2.21)."""
    assert make_batches(recipe).as_dataset().options().autotune.enabled is False


def test_epochs_and_seeds_differ_in_order(recipe: TrainParameters) -> None:
    orders = {
        tuple(take_all(make_batches(recipe, epoch=epoch, seed=seed, flip=False, shift=0))[:, 0])
        for epoch in (0, 1)
        for seed in (0, 1)
    }
    assert len(orders) == 4


def test_an_image_is_mirrored_in_every_other_epoch(recipe: TrainParameters) -> None:
    mirrored = np.zeros((4, 97), dtype=bool)
    for epoch in range(4):
        pixels = take_all(make_batches(recipe, 97, epoch, batch_size=97, flip=True, shift=0))
        mirrored[epoch, pixels.max(axis=1)] = pixels[:, 1] > 0
    np.testing.assert_array_equal(mirrored[0, 1:], ~mirrored[1, 1:])  # the first has no mark
    np.testing.assert_array_equal(mirrored[0], mirrored[2])
    assert 0.3 < mirrored[0].mean() < 0.7


def test_nothing_is_moved_or_mirrored_unless_asked_for(recipe: TrainParameters) -> None:
    for epoch in (0, 1):
        pixels = take_all(make_batches(recipe, epoch=epoch, flip=False, shift=0))
        assert not pixels[:, 1].any()


def test_a_target_is_1_at_the_label(recipe: TrainParameters) -> None:
    images, targets = make_batches(recipe, flip=False, shift=0)[0]
    np.testing.assert_array_equal(targets, np.eye(3)[images[:, 0, 0, 0] % 3])


def test_shifted_images_move_and_black_comes_in() -> None:
    images = np.arange(1, 13, dtype=np.uint8).reshape(1, 3, 4, 1).repeat(3, axis=0)
    shifts = np.array([[0, 0], [1, 0], [-1, 2]], np.int32)
    moved = shift_images(images, shifts, limit=2)[..., 0]
    np.testing.assert_array_equal(moved[0], [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]])
    np.testing.assert_array_equal(moved[1], [[0, 0, 0, 0], [1, 2, 3, 4], [5, 6, 7, 8]])
    np.testing.assert_array_equal(moved[2], [[0, 0, 5, 6], [0, 0, 9, 10], [0, 0, 0, 0]])


def test_balanced_weights_give_each_class_the_same_say() -> None:
    labels = np.array([0] * 6 + [1] * 3 + [2], np.uint8)
    weights = class_weights(labels, num_classes=3, kind="balanced")
    assert weights is not None
    np.testing.assert_allclose(list(weights.values()) * np.bincount(labels), 10 / 3, rtol=1e-6)
    assert class_weights(labels, num_classes=3, kind="none") is None
