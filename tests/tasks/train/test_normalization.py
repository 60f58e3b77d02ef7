"""Batch normalization in training and as it ships, against Keras' own layer."""

from typing import Any

import keras
import numpy as np
import pytest

from tasks.train.normalization import (
    FusedBatchNormalization,
    with_fused_normalization,
    without_normalization,
)

OPTIONS = [{}, {"scale": False}, {"center": False}, {"scale": False, "center": False}]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("shape", [(8, 5, 5, 4), (8, 4), (8, 5, 4)])
def test_the_fused_normalization_is_that_of_keras(shape: tuple[int, ...], options: dict) -> None:
    features = np.random.default_rng(0).normal(1, 3, shape).astype(np.float32)
    layers: list[Any] = [
        kind(momentum=0.9, epsilon=1e-5, **options)
        for kind in (keras.layers.BatchNormalization, FusedBatchNormalization)
    ]
    expected, found = (np.asarray(layer(features, training=True)) for layer in layers)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    mean, fused_mean = (np.asarray(layer.moving_mean.value) for layer in layers)
    np.testing.assert_allclose(fused_mean, mean, rtol=1e-5)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("axis", [-1, 1])
def test_what_ships_scales_and_shifts_as_keras_does_wherever_the_layer_stands(
    axis: int, options: dict
) -> None:
    inner_input = keras.Input((6, 6, 3))
    inner = keras.Model(
        inner_input,
        keras.layers.BatchNormalization(axis=axis, **options)(
            keras.layers.Conv2D(6, 3, padding="same")(inner_input)
        ),
    )
    network = keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            inner,
            keras.layers.Flatten(),
            keras.layers.Dense(5),
            keras.layers.BatchNormalization(),
        ]
    )
    generator = np.random.default_rng(1)
    network.set_weights([generator.uniform(0.5, 1.5, w.shape) for w in network.get_weights()])
    model, pairs = without_normalization(network)
    for affine, normalization in pairs:
        affine.take_from(normalization)
    assert len(pairs) == 2
    images = generator.normal(size=(4, 6, 6, 3)).astype(np.float32)
    np.testing.assert_allclose(
        np.asarray(model(images)), np.asarray(network(images)), rtol=1e-4, atol=1e-5
    )


def test_the_network_in_training_has_weights_of_the_same_order() -> None:
    network = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(3),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(2),
            keras.layers.BatchNormalization(scale=False),
        ]
    )
    trained = with_fused_normalization(network)
    assert [w.shape for w in trained.weights] == [w.shape for w in network.weights]
    assert [w.name for w in trained.weights] == [w.name for w in network.weights]
    assert sum(isinstance(layer, FusedBatchNormalization) for layer in trained.layers) == 2
