"""Which training images are held out to validate on."""

import numpy as np

from tasks.core.choice import hold_out, rank_by_content
from tasks.runner.progress import show_progress

_AT_ONCE = 1_000


def split_indices(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    validation_share: float,
    seed: int,
    classes: tuple[str, ...],
) -> tuple[np.ndarray, np.ndarray]:
    """Chooses the validation images by the hash of their pixels, class by class.

    The order of the images doesn't matter, and identical ones are never on both sides; `hold_out`
    says when one changes sides, and what is refused.

    Args:
        images: (n, height, width, channels) uint8.
        labels: (n,) in 0..len(classes) - 1.
        validation_share: of each class, up to chance: the share is a probability per image.
        seed: gives another choice.
        classes: the names of the classes.

    Returns:
        The positions of the training and of the validation images, both sorted, int64.

    """
    chunks = (images[start : start + _AT_ONCE] for start in range(0, len(images), _AT_ONCE))
    chunks = show_progress(chunks, what="choosing by content", total=len(images))
    contents = (image.tobytes() for chunk in chunks for image in chunk)
    ranks = rank_by_content(contents, seed=seed, purpose=b"")
    held_out = hold_out(
        ranks, labels, share=validation_share, classes=classes, uses=("train", "validate")
    )
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
