"""The state of a training after its last whole epoch, so that a killed one can go on.

It lies outside of what DVC tracks, counts only for the same inputs, parameters, code and versions,
and is removed when the training has ended.
"""

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from tasks.core.files import replacing, sha256_of
from tasks.runner.lock import LOCK_FOLDER
from tasks.train.parameters import TrainParameters

CHECKPOINT = LOCK_FOLDER / "training.npz"


@dataclass
class TrainingState:
    """What the next epoch depends on."""

    history: list[dict[str, float]]  # a row per whole epoch
    variables: list[np.ndarray]  # of the network in training and its optimizer
    best: list[np.ndarray]  # the weights of the best epoch so far


class Checkpoint:
    """A training's state on disk; one that was saved with another key is ignored."""

    def __init__(self, key: str, path: Path = CHECKPOINT) -> None:
        self._key = key
        self._path = path

    def load(self) -> TrainingState | None:
        """The state that a killed training left; None if there is none of this key."""
        try:
            content = io.BytesIO(self._path.read_bytes())
            with np.load(content, allow_pickle=False) as arrays:
                if str(arrays["key"]) != self._key:
                    return None
                history, number = json.loads(str(arrays["history"])), int(arrays["num_variables"])
                saved = [arrays[name] for name in arrays.files if name.startswith("arr_")]
                return TrainingState(history, saved[:number], saved[number:])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def save(self, state: TrainingState) -> None:
        """Writes the state, whole or not at all."""
        named = {
            "key": np.array(self._key),
            "history": np.array(json.dumps(state.history)),
            "num_variables": np.array(len(state.variables)),
        }
        with replacing(self._path) as temporary, temporary.open("wb") as file:
            np.savez(file, *state.variables, *state.best, allow_pickle=False, **named)

    def remove(self) -> None:
        """Forgets the state."""
        self._path.unlink(missing_ok=True)


def read_history(path: Path) -> list[dict[str, float]]:
    """The whole epochs of a training that goes on, or was ended; none before the first."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return json.loads(str(arrays["history"]))
    except FileNotFoundError:
        return []


def training_key(parameters: TrainParameters, images: object, *splits: np.ndarray) -> str:
    """A hash of everything that decides a training's outcome, the network's file included.

    From the shapes and hashes of the files that hold images and labels, and the positions of the
    images to train on and of those to validate on.
    """
    arrays = json.dumps(images, sort_keys=True)
    digest = hashlib.sha256(f"{parameters.model_dump_json()} {arrays}".encode())
    for positions in splits:
        digest.update(f" {len(positions)} ".encode() + positions.tobytes())
    for name in ("tensorflow", "keras", "numpy"):
        digest.update(f"{name} {version(name)}".encode())
    for place in (Path(__file__).parent, Path(parameters.network_file)):
        for module in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(sha256_of(module).encode())
    return digest.hexdigest()
