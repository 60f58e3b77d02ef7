"""Stage prepare: holds a validation split out of the training images.

    python -m tasks.prepare

Only positions are stored, not pixels: the images stay in data/raw as uint8, and the model scales
them itself.
"""

import json
from pathlib import Path

import numpy as np

from tasks.core import paths
from tasks.core.dataset import load_split
from tasks.core.files import replacing
from tasks.core.parameters import DataParameters, load_section
from tasks.core.seal import seal
from tasks.prepare.parameters import PrepareParameters
from tasks.prepare.split import split_indices
from tasks.runner.errors import InputError


def main() -> None:
    """Load, split, save."""
    data: DataParameters = load_section("data", DataParameters)
    parameters: PrepareParameters = load_section("prepare", PrepareParameters)
    require_valid(paths.VALIDATION)
    split = load_split("train")
    training, validation = split_indices(
        split.images,
        split.labels,
        validation_share=parameters.validation_share,
        seed=parameters.seed,
        classes=data.classes,
    )
    with replacing(paths.PREPARED) as folder:
        folder.mkdir()
        np.save(folder / paths.TRAINING.name, training, allow_pickle=False)
        np.save(folder / paths.VALIDATION_SPLIT.name, validation, allow_pickle=False)
        seal(folder)
    print(f"training {len(training):,}, validation {len(validation):,} images", flush=True)


def require_valid(path: Path) -> None:
    """Raises InputError where the verdict of `validate` is missing or negative."""
    try:
        success = json.loads(path.read_text(encoding="utf-8"))["success"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} can't be read ({error}). Run: dvc repro validate") from None
    if success is not True:
        raise InputError(f"{path} says that the data is bad. Mend it, then run: dvc repro")
