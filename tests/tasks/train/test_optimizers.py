"""Muon's steps and the rates of a cycle, against their definitions."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tasks.train.optimizers import ConvolutionMuon, OneCycle


@given(st.integers(1, 500), st.floats(0.01, 0.99))
def test_one_cycle_goes_up_to_the_rate_and_down_again(steps: int, warmup_share: float) -> None:
    rates = np.asarray(OneCycle(1.0, steps, warmup_share)(np.arange(steps))).tolist()
    assert 0 < min(rates) <= max(rates) <= 1
    top = int(np.argmax(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert abs((top + 0.5) / steps - warmup_share) <= 1.001 / steps


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_muon_takes_steps_along_every_direction_of_a_kernel_alike(precision: str) -> None:
    """Against its definition: the update of a kernel is close to U·Vᵀ of the gradient's SVD."""
    gradient = np.random.default_rng(0).normal(size=(3, 3, 8, 16)).astype(np.float32)
    kernel = keras.Variable(np.zeros_like(gradient))
    optimizer = ConvolutionMuon(
        precision, learning_rate=0.1, weight_decay=0.0, adam_weight_decay=0.0
    )
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
    optimizer = ConvolutionMuon(
        "float32", learning_rate=0.1, weight_decay=0.0, adam_weight_decay=0.0
    )
    optimizer.apply([tf.fill((4, 3), 3.0)], [weights])
    np.testing.assert_allclose(np.asarray(weights.value), -0.1, rtol=1e-3)
