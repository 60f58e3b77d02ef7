"""Which training images are held out to validate on."""

import numpy as np

from tasks.core.choice import rank_by_content
from tasks.runner.errors import InputError


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
