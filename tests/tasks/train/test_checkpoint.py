"""A checkpoint counts only for the training that it came from."""

from pathlib import Path

import numpy as np
import pytest

from tasks.train.checkpoint import Checkpoint, TrainingState, training_key
from tasks.train.parameters import TrainParameters

STATE = TrainingState(
    history=[{"epoch": 1, "val_loss": 0.1}],
    variables=[np.arange(3, dtype=np.float32), np.array(7)],
    best=[np.eye(2)],
)


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    Checkpoint("key", tmp_path / "training.npz").save(STATE)
    found = Checkpoint("key", tmp_path / "training.npz").load()
    assert found is not None
    assert found.history == STATE.history
    for mine, its in zip(
        [*found.variables, *found.best], [*STATE.variables, *STATE.best], strict=True
    ):
        np.testing.assert_array_equal(mine, its)
        assert mine.dtype == its.dtype


def test_another_training_does_not_take_it(tmp_path: Path) -> None:
    Checkpoint("key", tmp_path / "training.npz").save(STATE)
    assert Checkpoint("other", tmp_path / "training.npz").load() is None


@pytest.mark.parametrize("length", [0, 1, 100, 600])
def test_a_damaged_one_is_as_good_as_none(tmp_path: Path, length: int) -> None:
    path = tmp_path / "training.npz"
    Checkpoint("key", path).save(STATE)
    path.write_bytes(path.read_bytes()[:length])
    assert Checkpoint("key", path).load() is None


def test_the_key_follows_parameters_images_splits_and_the_network(
    tmp_path: Path, recipe: TrainParameters
) -> None:
    splits = np.array([0, 1]), np.array([2])
    file, other = tmp_path / "networks.py", tmp_path / "other" / "networks.py"
    file.write_text("def mine(pixels): ...")
    other.parent.mkdir()
    other.write_text("def mine(features): ...")
    keys = {
        training_key(
            recipe.model_copy(update={"seed": seed, "network_file": str(network)}), images, *order
        )
        for seed, images, order, network in (
            (1, {"sha256": "1"}, splits, file),
            (2, {"sha256": "1"}, splits, file),
            (1, {"sha256": "2"}, splits, file),
            (1, {"sha256": "1"}, splits[::-1], file),
            (1, {"sha256": "1"}, splits, other),
            (1, {"sha256": "1"}, splits, other.parent.parent),
        )
    }
    assert len(keys) == 6
