"""Choosing images to hold out by their content alone, whatever their order, names and times."""

import hashlib
from collections.abc import Iterable

import numpy as np

from tasks.runner.errors import InputError


def rank_by_content(contents: Iterable[bytes], *, seed: int, purpose: bytes) -> np.ndarray:
    """A number in [0, 1) for each content, of an image or of a hash of it: (n,) float64.

    Whoever holds out the images below a share makes a choice in which an image keeps its side when
    others are added, and images of the same content are never on both sides. Another seed, or
    another purpose (of 16 bytes at most), gives numbers that have nothing to do with these.
    """
    key = seed.to_bytes(8, "big")
    digests = (
        hashlib.blake2b(content, key=key, person=purpose, digest_size=8).digest()
        for content in contents
    )
    numbers = np.fromiter((int.from_bytes(digest, "big") for digest in digests), np.uint64)
    return (numbers >> 11).astype(np.float64) / 2.0**53


def _find_shared(ranks: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The ranks of contents that stand under several labels."""
    order = np.lexsort((labels, ranks))
    ranks, labels = ranks[order], labels[order]
    is_other = (ranks[1:] == ranks[:-1]) & (labels[1:] != labels[:-1])
    return np.unique(ranks[1:][is_other])


def hold_out(
    ranks: np.ndarray,
    labels: np.ndarray,
    *,
    share: float,
    classes: tuple[str, ...],
    uses: tuple[str, ...],
) -> np.ndarray:
    """Chooses images of each class by their ranks: those below a share.

    Where chance leaves none in a class, its lowest-ranked image is held out all the same; where it
    leaves too few behind, the highest-ranked of the held-out ones stay. So an image keeps its side
    when others are added, but for those few of a class that small.

    Args:
        ranks: (n,) from `rank_by_content`.
        labels: (n,) in 0..len(classes) - 1.
        share: is a probability per image, so each class gives its share up to chance.
        classes: the names of the classes.
        uses: what images are needed for, the held-out ones for the last; a class needs a different
            image for each.

    Returns:
        (n,) bool.

    """
    held_out, small = ranks < share, []
    in_several = _find_shared(ranks, labels)
    for label, name in enumerate(classes):
        different = np.unique(ranks[labels == label])
        by_chance = int((different < share).sum())
        lacking = min(max(1, by_chance), len(different) - len(uses) + 1) - by_chance
        # What is in other classes, too, stays where it is for their sake.
        own = np.setdiff1d(different, in_several)
        ready = own[own >= share] if lacking > 0 else own[own < share][::-1]
        if len(different) < len(uses) or len(ready) < abs(lacking):
            small.append(f"class {label} ({name}) has {len(own)}")
        held_out[np.isin(ranks, ready[: abs(lacking)])] = lacking > 0
    if small:
        raise InputError(
            f"Each class needs {len(uses)} different images, one each to"
            f" {', '.join(uses[:-1])} and {uses[-1]} on; {', '.join(small)}. Add"
            " images, or take these classes out of data.classes in params.yaml and out of the data"
        )
    return held_out
