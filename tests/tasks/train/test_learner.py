"""A step learns, from the images that it was given, as the recipe says."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tasks.core.dataset import ImageSplit
from tasks.train.learner import (
    ConvolutionMuon,
    FusedBatchNormalization,
    Learner,
    class_weights,
    shift_images,
)
from tasks.train.networks import build_network
from tasks.train.parameters import TrainParameters
from tasks.train.schedule import Batch


def make_learner(
    images: np.ndarray, labels: np.ndarray, recipe: TrainParameters, **changes: object
) -> tuple[keras.Model, Learner]:
    keras.utils.set_random_seed(0)
    network = build_network("residual", image_shape=(28, 28, 1), num_classes=10)
    training = ImageSplit(images, labels).all()
    return network, Learner(network, training, parameters=recipe.model_copy(update=changes))


def batch_of(positions: np.ndarray, rate: float = 0.003) -> Batch:
    return Batch(
        positions=positions.astype(np.int32),
        mirrored=np.zeros(len(positions), dtype=bool),
        shifts=np.zeros((len(positions), 2), np.int32),
        rate=rate,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"precision": "bfloat16"},
        {"optimizer": "adam"},
        {"optimizer": "muon"},
        {"optimizer": "sgd"},
        {"average_decay": 0.5},
    ],
    ids=["bfloat16", "adam", "muon", "sgd", "averaged"],
)
def test_one_batch_can_be_learned_by_heart(
    images: np.ndarray, labels: np.ndarray, recipe: TrainParameters, changes: dict
) -> None:
    network, learner = make_learner(images, labels, recipe, **changes)
    batch = batch_of(np.arange(0, 400, 20), rate=0.002)
    counts = [learner.step(batch)[1] for _ in range(50)]
    assert counts[-1] == 20
    for _ in range(30):  # the averages of the normalization catch up with weights that stay
        learner.step(batch._replace(rate=1e-9))
    learner.publish()
    probabilities = network.predict(images[batch.positions], verbose=0)  # pyright: ignore[reportArgumentType]
    assert (probabilities.argmax(axis=1) == labels[batch.positions]).mean() > 0.8


def test_a_restored_learner_goes_on_as_the_first_did(
    images: np.ndarray, labels: np.ndarray, recipe: TrainParameters
) -> None:
    batches = [batch_of(np.arange(start, start + 32)) for start in (0, 100, 200)]
    _, learner = make_learner(images, labels, recipe, average_decay=0.9)
    learner.step(batches[0])
    state = learner.state()
    expected = [learner.step(batch) for batch in batches[1:]]
    _, other = make_learner(images, labels, recipe, average_decay=0.9)
    other.restore(state)
    assert [other.step(batch) for batch in batches[1:]] == expected


def test_the_recipe_reaches_the_first_step_of_the_computation(
    images: np.ndarray, labels: np.ndarray, recipe: TrainParameters
) -> None:
    """Each of these changes what is learned from the same batch."""
    plain = batch_of(np.arange(32))
    moved = plain._replace(shifts=np.ones((32, 2), np.int32))
    mirrored = plain._replace(mirrored=np.ones(32, dtype=bool))
    losses = [
        make_learner(images, labels, recipe, **changes)[1].step(batch)[0]
        for changes, batch in (
            ({"label_smoothing": 0.0}, plain),
            ({"label_smoothing": 0.3}, plain),
            ({"label_smoothing": 0.0, "shift": 1}, moved),
            ({"label_smoothing": 0.0}, mirrored),
        )
    ]
    assert len(set(losses)) == 4


def test_a_mirrored_image_is_the_one_that_a_mirror_shows(
    images: np.ndarray, labels: np.ndarray, recipe: TrainParameters
) -> None:
    batch = batch_of(np.arange(32))
    every_other = np.arange(32) % 2 == 0
    flipped = images.copy()
    flipped[:32:2] = images[:32:2, :, ::-1]
    _, learner = make_learner(images, labels, recipe)
    _, other = make_learner(flipped, labels, recipe)
    assert learner.step(batch._replace(mirrored=every_other)) == other.step(batch)


def test_the_fused_normalization_is_that_of_keras() -> None:
    features = np.random.default_rng(0).normal(1, 3, (8, 5, 5, 4)).astype(np.float32)
    layers = [
        kind(momentum=0.9, epsilon=1e-5)
        for kind in (keras.layers.BatchNormalization, FusedBatchNormalization)
    ]
    expected, found = (layer(features, training=True) for layer in layers)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    mean, fused_mean = (layer.variables[2] for layer in layers)
    np.testing.assert_allclose(fused_mean, mean, rtol=1e-5)


def test_muon_takes_steps_along_every_direction_of_a_kernel_alike() -> None:
    """Against its definition: the update of a kernel is close to U·Vᵀ of the gradient's SVD."""
    gradient = np.random.default_rng(0).normal(size=(3, 3, 8, 16)).astype(np.float32)
    kernel = keras.Variable(np.zeros_like(gradient))
    optimizer = ConvolutionMuon(learning_rate=0.1, weight_decay=0.0, adam_weight_decay=0.0)
    optimizer.apply([tf.constant(gradient)], [kernel])
    update = np.asarray(kernel.value).reshape(-1, 16)
    left, _, right = np.linalg.svd(gradient.reshape(-1, 16), full_matrices=False)
    scaled = -0.1 * 0.2 * np.sqrt(72) * (left @ right)
    cosine = (update * scaled).sum() / np.linalg.norm(update) / np.linalg.norm(scaled)
    assert cosine > 0.97
    assert 0.7 < np.linalg.norm(update) / np.linalg.norm(scaled) < 1.2


def test_muon_leaves_what_is_no_kernel_of_a_convolution_to_adam() -> None:
    """Adam's first step is as long as the rate, whatever the gradient."""
    weights = keras.Variable(np.zeros((4, 3), np.float32))
    optimizer = ConvolutionMuon(learning_rate=0.1, weight_decay=0.0, adam_weight_decay=0.0)
    optimizer.apply([tf.fill((4, 3), 3.0)], [weights])
    np.testing.assert_allclose(np.asarray(weights.value), -0.1, rtol=1e-3)


def test_shifted_images_move_and_black_comes_in() -> None:
    images = np.arange(1, 13, dtype=np.uint8).reshape(1, 3, 4, 1).repeat(3, axis=0)
    shifts = np.array([[0, 0], [1, 0], [-1, 2]], np.int32)
    moved = shift_images(tf.constant(images), tf.constant(shifts), limit=2).numpy()[..., 0]
    np.testing.assert_array_equal(moved[0], [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]])
    np.testing.assert_array_equal(moved[1], [[0, 0, 0, 0], [1, 2, 3, 4], [5, 6, 7, 8]])
    np.testing.assert_array_equal(moved[2], [[0, 0, 5, 6], [0, 0, 9, 10], [0, 0, 0, 0]])


def test_balanced_weights_give_each_class_the_same_say() -> None:
    labels = np.array([0] * 6 + [1] * 3 + [2], np.uint8)
    weights = class_weights(labels, num_classes=3, kind="balanced")
    np.testing.assert_allclose(weights * np.bincount(labels), 10 / 3, rtol=1e-6)
    np.testing.assert_array_equal(class_weights(labels, num_classes=3, kind="none"), 1)
