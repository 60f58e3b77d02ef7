"""Stage prepare: holds a validation split out of the training images.

    python -m tasks.prepare

Only positions are stored, not pixels: the images stay in data/raw as uint8, and the model scales
them itself.
"""

import json
from pathlib import Path

import numpy as np

from tasks import paths
from tasks.choice import rank_by_content
from tasks.dataset import load_split
from tasks.errors import InputError
from tasks.files import replacing
from tasks.parameters import load_parameters
from tasks.seal import seal
from tasks.stage import run_stage


def main() -> None:
    """Load, split, save."""
    parameters = load_parameters()
    require_valid(paths.VALIDATION)
    split = load_split("train")
    training, validation = split_indices(
        split.images,
        split.labels,
        validation_share=parameters.prepare.validation_share,
        seed=parameters.prepare.seed,
        classes=parameters.data.classes,
    )
    with replacing(paths.PREPARED) as folder:
        folder.mkdir()
        np.save(folder / paths.TRAINING.name, training, allow_pickle=False)
        np.save(folder / paths.VALIDATION_SPLIT.name, validation, allow_pickle=False)
        seal(folder)
    print(f"training {len(training):,}, validation {len(validation):,} images", flush=True)


def require_valid(path: Path) -> None:
    """Refuses to go on with data that `validate` has refused.

    Raises:
        InputError: the verdict is missing or negative.

    """
    try:
        success = json.loads(path.read_text(encoding="utf-8"))["success"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} can't be read ({error}). Run: dvc repro validate") from None
    if success is not True:
        raise InputError(f"{path} says that the data is bad. Mend it, then run: dvc repro")


def split_indices(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    validation_share: float,
    seed: int,
    classes: tuple[str, ...],
) -> tuple[np.ndarray, np.ndarray]:
    """Chooses the validation images by the hash of their pixels, class by class.

    The choice doesn't depend on the order of the images, and identical images are never on both
    sides. An image keeps its side when others are added; only in a class so small that chance would
    leave one side empty, where one image is moved to it, can another take that one's place.

    Args:
        images: (n, height, width, channels) uint8.
        labels: (n,) in 0..len(classes) - 1.
        validation_share: of each class, up to chance: the share is a probability per image.
        seed: gives another choice.
        classes: the names of the classes.

    Returns:
        The positions of the training and of the validation images, both sorted, int64.

    Raises:
        InputError: a class has too few images for one on each side.

    """
    ranks = rank_by_content((image.tobytes() for image in images), seed=seed, purpose=b"")
    held_out = ranks < validation_share
    for label, name in enumerate(classes):
        members = np.flatnonzero(labels == label)
        if len(np.unique(ranks[members])) < 2:
            raise InputError(
                f"Class {label} ({name}) has {len(members)} different training images; at least 2"
                " are needed, one to train on and one to validate on"
            )
        if not held_out[members].any():
            held_out[ranks == ranks[members].min()] = True
        if held_out[members].all():
            held_out[ranks == ranks[members].max()] = False
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


if __name__ == "__main__":
    run_stage("prepare", main)
