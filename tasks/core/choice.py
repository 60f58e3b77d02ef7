"""Choosing images to hold out by their content alone, whatever their order, names and times."""

import hashlib
from collections.abc import Iterable

import numpy as np


def rank_by_content(contents: Iterable[bytes], *, seed: int, purpose: bytes) -> np.ndarray:
    """A number in [0, 1) for each content: (n,) float64.

    Whoever holds out the images below a share makes a choice in which an image keeps its side when
    others are added, and images of the same content are never on both sides.

    Args:
        contents: of the images, or of hashes of them.
        seed: gives other numbers.
        purpose: gives numbers that have nothing to do with those for another purpose; 16 bytes at
            most.

    """
    key = seed.to_bytes(8, "big")
    digests = (
        hashlib.blake2b(content, key=key, person=purpose, digest_size=8).digest()
        for content in contents
    )
    numbers = np.frombuffer(b"".join(digests), dtype=">u8")
    return (numbers >> 11).astype(np.float64) / 2.0**53
