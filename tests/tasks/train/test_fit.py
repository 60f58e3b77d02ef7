"""A network learns, the best epoch is kept, training stops when it should, or says why."""

from pathlib import Path

import keras
import numpy as np
import pytest

from tasks.core.dataset import ImageSplit, Selection
from tasks.runner.errors import InputError
from tasks.train.checkpoint import Checkpoint
from tasks.train.fit import train_network
from tasks.train.parameters import TrainParameters
from tests.conftest import read_parameters, typed


@pytest.fixture
def short(recipe: TrainParameters) -> TrainParameters:
    return recipe.model_copy(
        update={"schedule": "constant", "epochs": 3, "learning_rate": 0.01, "architecture": "light"}
    )


def run(
    folder: Path,
    images: np.ndarray,
    labels: np.ndarray,
    parameters: TrainParameters,
    *,
    num_training: int = 300,
) -> tuple[dict[str, float], list[dict[str, float]]]:
    """Fits; gives the figures of the network that it leaves, and the history."""
    keras.utils.set_random_seed(0)
    split = ImageSplit(images, labels)
    _, validator, history = train_network(
        typed(read_parameters()).data,
        parameters,
        Selection(split, np.arange(num_training)),
        Selection(split, np.arange(300, 400)),
        Checkpoint("key", folder / "training.npz"),
    )
    return validator(), [
        {str(name): value for name, value in row.items()} for row in history.to_dict("records")
    ]


def test_the_network_has_the_weights_of_the_epoch_with_the_lowest_validation_loss(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray, short: TrainParameters
) -> None:
    figures, history = run(tmp_path, images, labels, short)
    losses = [row["val_loss"] for row in history]
    assert len(set(losses)) == 3
    assert figures["val_loss"] == min(losses)
    assert history[2]["loss"] < history[0]["loss"]


@pytest.mark.parametrize(
    "changes",
    [
        {"precision": "bfloat16"},
        {"optimizer": "adam", "learning_rate": 0.003},
        {"optimizer": "sgd", "learning_rate": 0.1},
        {"average_decay": 0.5, "class_weights": "balanced"},
    ],
    ids=["bfloat16", "adam", "sgd", "averaged and weighted"],
)
def test_one_batch_can_be_learned_by_heart(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray, short: TrainParameters, changes: dict
) -> None:
    short = short.model_copy(update={"epochs": 80, "flip": False} | changes)
    mixed = np.random.default_rng(0).permutation(400)
    _, history = run(tmp_path, images[mixed], labels[mixed], short, num_training=32)
    assert history[-1]["accuracy"] == 1
    assert max(row["val_accuracy"] for row in history) > 0.15  # from 32 images; chance gives 0.1


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
        InputError,
        match=r"The loss is (nan|inf) by step \d of 9 of epoch 1, .*1e\+30.*train\.learning_rate",
    ):
        run(tmp_path, images, labels, wild)
    assert list(tmp_path.iterdir()) == []
