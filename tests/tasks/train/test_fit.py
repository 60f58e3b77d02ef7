"""The best epoch is kept, training stops when it should, and a broken one says why."""

from pathlib import Path

import keras
import numpy as np
import pytest

from tasks.core.dataset import ImageSplit
from tasks.runner.errors import InputError
from tasks.train.checkpoint import Checkpoint
from tasks.train.export import make_served
from tasks.train.fit import Validator, fit
from tasks.train.networks import build_network
from tasks.train.parameters import TrainParameters


@pytest.fixture
def short(recipe: TrainParameters) -> TrainParameters:
    return recipe.model_copy(update={"schedule": "constant", "epochs": 3, "learning_rate": 0.01})


def run(
    folder: Path, images: np.ndarray, labels: np.ndarray, parameters: TrainParameters
) -> tuple[dict[str, float], list[dict[str, float]]]:
    """Fits; gives the figures of the network that it leaves, and the history."""
    keras.utils.set_random_seed(0)
    network = build_network("residual", image_shape=(28, 28, 1), num_classes=10)
    served = make_served(network, mirror=False)
    validate = Validator(served, ImageSplit(images[300:], labels[300:]))
    history = fit(
        network,
        validate,
        training=ImageSplit(images[:300], labels[:300]).all(),
        parameters=parameters,
        checkpoint=Checkpoint("key", folder / "training.npz"),
    )
    return validate(), [
        {str(name): value for name, value in row.items()} for row in history.to_dict("records")
    ]


def test_the_network_has_the_weights_of_the_epoch_with_the_lowest_validation_loss(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray, short: TrainParameters
) -> None:
    figures, history = run(tmp_path, images, labels, short)
    losses = [row["val_loss"] for row in history]
    assert len(set(losses)) == 3
    assert figures["val_loss"] == min(losses)


def test_training_stops_after_as_many_epochs_without_gain_as_patience_allows(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray, short: TrainParameters
) -> None:
    """A rate of almost nothing can't help, and batch statistics make it worse at first."""
    hopeless = short.model_copy(update={"learning_rate": 1e-9, "epochs": 30, "patience": 2})
    _, history = run(tmp_path, images, labels, hopeless)
    losses = [row["val_loss"] for row in history]
    assert len(losses) < 30
    assert int(np.argmin(losses)) == len(losses) - 1 - 2


def test_a_loss_that_is_no_number_stops_training_and_names_step_and_rate(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray, short: TrainParameters
) -> None:
    wild = short.model_copy(update={"optimizer": "sgd", "learning_rate": 1e30})
    with pytest.raises(
        InputError, match=r"The loss is (nan|inf) at step \d of 9 of epoch 1, .*1e\+30"
    ):
        run(tmp_path, images, labels, wild)
    assert list(tmp_path.iterdir()) == []


def test_a_validation_set_that_no_batch_divides_is_measured_whole(
    images: np.ndarray, labels: np.ndarray
) -> None:
    network = build_network("article", image_shape=(28, 28, 1), num_classes=10)
    served = make_served(network, mirror=False)
    many = np.tile(images, (2, 1, 1, 1))[:700]
    found = Validator(served, ImageSplit(many, np.tile(labels, 2)[:700])).predict()
    expected = network.predict(many, verbose=0)  # pyright: ignore[reportArgumentType]
    np.testing.assert_allclose(found, expected, atol=1e-6)
