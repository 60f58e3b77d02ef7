"""A checkpoint counts only for the training that it came from."""

from pathlib import Path

import numpy as np
import pytest

from tasks.train.checkpoint import Checkpoint, TrainingState, training_key

STATE = TrainingState(
    history=[{"epoch": 1, "val_loss": 0.1}],
    learner=[np.arange(3, dtype=np.float32), np.array(7)],
    best=[np.eye(2)],
)


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    Checkpoint("key", tmp_path / "training.npz").save(STATE)
    found = Checkpoint("key", tmp_path / "training.npz").load()
    assert found is not None
    assert found.history == STATE.history
    for mine, its in zip([*found.learner, *found.best], [*STATE.learner, *STATE.best], strict=True):
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


def test_the_key_follows_parameters_images_and_splits() -> None:
    splits = [np.array([0, 1]), np.array([2])]
    keys = {
        training_key(parameters="a", images={"sha256": "1"}, splits=splits),
        training_key(parameters="b", images={"sha256": "1"}, splits=splits),
        training_key(parameters="a", images={"sha256": "2"}, splits=splits),
        training_key(parameters="a", images={"sha256": "1"}, splits=splits[::-1]),
    }
    assert len(keys) == 4
