"""Validation measures what ships, and the temperature makes it as sure as it is right."""

import numpy as np
import pytest
from scipy.special import softmax

from tasks.core.dataset import ImageSplit
from tasks.train.build import build_network
from tasks.train.served import Validator, cross_entropy, fit_temperature


def test_a_validation_set_that_no_batch_divides_is_measured_whole(
    images: np.ndarray, labels: np.ndarray
) -> None:
    network = build_network("article", image_shape=(28, 28, 1), num_classes=10)
    many = np.tile(images, (2, 1, 1, 1))[:700]
    validator = Validator(network, ImageSplit(many, np.tile(labels, 2)[:700]).all(), mirror=False)
    expected = network.predict(many, verbose=0)  # pyright: ignore[reportArgumentType]
    np.testing.assert_allclose(validator.logits(), expected, atol=1e-5)


def test_large_images_are_measured_a_few_at_a_time_and_alike(
    images: np.ndarray, labels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = build_network("article", image_shape=(28, 28, 1), num_classes=10)
    whole, few = (
        Validator(network, ImageSplit(images, labels).all(), mirror=False) for _ in range(2)
    )
    expected = whole.logits()
    monkeypatch.setattr("tasks.train.served._BATCH_PIXELS", 28 * 28 * 3)
    np.testing.assert_allclose(few.logits(), expected, atol=1e-5)


def test_a_mirrored_network_says_of_an_image_what_it_says_of_its_mirror_image(
    images: np.ndarray, labels: np.ndarray
) -> None:
    network = build_network("light", image_shape=(28, 28, 1), num_classes=10)
    plain, mirrored = (
        Validator(network, ImageSplit(pixels, labels).all(), mirror=True).logits()
        for pixels in (images, np.ascontiguousarray(images[:, :, ::-1]))
    )
    np.testing.assert_allclose(plain, mirrored, atol=1e-5)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_of_logits_that_are_too_large_or_small_is_found(
    temperature: float,
) -> None:
    """Labels are drawn by the probabilities that the logits have at the right temperature."""
    generator = np.random.default_rng(0)
    right = generator.normal(0, 2, (20_000, 5))
    draws = generator.random((len(right), 1))
    labels = (softmax(right, axis=1).cumsum(axis=1) < draws).sum(axis=1)
    found = fit_temperature(right * temperature, labels)
    assert found == pytest.approx(temperature, rel=0.05)


def test_a_split_without_mistakes_asks_for_no_boundless_certainty() -> None:
    labels = np.arange(9000) % 3
    assert 0.24 < fit_temperature(np.eye(3)[labels], labels) < 0.26


@pytest.mark.parametrize("number", [5, 20, 100])
def test_few_images_make_a_calibrated_network_hardly_worse(number: int) -> None:
    """In the mean of 60 draws, by less than 0.01 nats; without restraint, by up to 0.16."""
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 3.5, (20_000, 2))
    labels = (softmax(logits, axis=1).cumsum(axis=1) < generator.random((20_000, 1))).sum(axis=1)
    draws = (generator.choice(20_000, number, replace=False) for _ in range(60))
    losses = [
        cross_entropy(logits / fit_temperature(logits[draw], labels[draw]), labels)
        for draw in draws
    ]
    assert np.mean(losses) < cross_entropy(logits, labels) + 0.01


def test_the_cross_entropy_of_even_logits_is_that_of_chance() -> None:
    assert cross_entropy(np.zeros((4, 10)), np.arange(4)) == pytest.approx(np.log(10))
    assert np.isfinite(cross_entropy(np.full((1, 2), [1e4, -1e4]), np.array([1])))
