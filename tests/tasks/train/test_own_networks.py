"""A network of one's own is trained, averaged, exported and resumed like ours."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from tasks.core.dataset import ImageSplit, Selection
from tasks.core.parameters import DataParameters
from tasks.runner.errors import InputError
from tasks.train.checkpoint import Checkpoint
from tasks.train.export import export
from tasks.train.fit import train_network
from tasks.train.parameters import TrainParameters
from tests.conftest import read_parameters, typed

# Keras converts its variables in NumPy's old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

OWN = "tests.tasks.train.own_networks"


class Killed(BaseException):
    """What a process that is killed between two epochs never sees."""


class CheckpointOfAKilled(Checkpoint):
    """Ends the training once the first epoch is on disk."""

    def save(self, state: object) -> None:
        super().save(state)  # pyright: ignore[reportArgumentType]
        raise Killed


def train(
    recipe: TrainParameters, images: np.ndarray, labels: np.ndarray, checkpoint: Checkpoint
) -> tuple[bytes, bytes, str]:
    """The files of a whole training, and its history."""
    keras.utils.clear_session()  # names of layers are counted per process
    keras.utils.set_random_seed(recipe.seed)
    data: DataParameters = typed(read_parameters()).data
    split = ImageSplit(images, labels)
    mixed = np.random.default_rng(0).permutation(400)
    parts = Selection(split, mixed[:300]), Selection(split, mixed[300:])
    network, validator, history = train_network(data, recipe, *parts, checkpoint)
    exported = export(network, validator, recipe, calibration=images[:50])
    assert exported.parity.accuracy_lost <= recipe.max_export_loss
    return exported.litert, exported.keras, json.dumps(history.to_dict("records"))


@pytest.mark.parametrize("average_decay", [None, 0.5], ids=["plain", "averaged"])
@pytest.mark.parametrize("name", ["normalized_dense", "augmented", "nested"])
def test_it_is_trained_and_exported_and_after_a_kill_gives_the_same_bytes(
    tmp_path: Path,
    images: np.ndarray,
    labels: np.ndarray,
    recipe: TrainParameters,
    name: str,
    average_decay: float | None,
) -> None:
    own = recipe.model_copy(
        update={"architecture": f"{OWN}.{name}", "average_decay": average_decay, "epochs": 3}
        | {"whitening": name == "nested", "mirror": True}
    )
    expected = train(own, images, labels, Checkpoint("key", tmp_path / "whole.npz"))
    with pytest.raises(Killed):
        train(own, images, labels, CheckpointOfAKilled("key", tmp_path / "killed.npz"))
    found = train(own, images, labels, Checkpoint("key", tmp_path / "killed.npz"))
    assert found == expected
    losses = [row["loss"] for row in json.loads(expected[2])]
    assert losses[-1] < losses[0]


def test_whitening_without_a_convolution_ends_with_a_line(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray, recipe: TrainParameters
) -> None:
    own = recipe.model_copy(update={"architecture": f"{OWN}.normalized_dense", "whitening": True})
    with pytest.raises(InputError, match=r"no convolution .* found none. Set train.whitening"):
        train(own, images, labels, Checkpoint("key", tmp_path / "training.npz"))
