"""What an image is like, in a few numbers: a row per image instead of a column per pixel."""

import hashlib
from collections.abc import Iterator

import numpy as np
import pandas as pd

# As many pixels at once as keep memory bounded, whatever the size of the images.
_CHUNK_PIXELS = 2**23

STATISTICS = ("minimum", "maximum", "mean", "spread", "zero_share", "not_finite")


def describe_images(images: np.ndarray) -> pd.DataFrame:
    """Describes each image, a chunk at a time: a memory-mapped array is never held whole.

    (n, ...) of any numeric type → n rows with the float64 columns minimum, maximum, mean, spread
    (the standard deviation of the pixels), zero_share (of the pixels), not_finite (how many pixels
    are NaN or infinite), and content (uint64), a hash of the pixels: equal images have equal
    hashes, and two different ones among a million share one with a probability of 3e-8.
    """
    statistics = [_describe_chunk(chunk) for chunk in iterate_chunks(images)]
    frame = pd.DataFrame(
        np.concatenate(statistics) if statistics else np.empty((0, len(STATISTICS))),
        columns=list(STATISTICS),
    )
    frame["content"] = hash_images(images)
    return frame


def hash_images(images: np.ndarray) -> np.ndarray:
    """The column content of `describe_images` alone: (n, ...) → (n,) uint64."""
    hashes = [_hash_chunk(chunk) for chunk in iterate_chunks(images)]
    return np.concatenate(hashes) if hashes else np.empty(0, np.uint64)


def iterate_chunks(images: np.ndarray) -> Iterator[np.ndarray]:
    """Yields (m, pixels) arrays that together hold all images, in order."""
    num_pixels = int(np.prod(images.shape[1:]))
    step = max(1, _CHUNK_PIXELS // max(1, num_pixels))
    for start in range(0, len(images), step):
        chunk = np.asarray(images[start : start + step])
        yield chunk.reshape(len(chunk), num_pixels)


def _describe_chunk(chunk: np.ndarray) -> np.ndarray:
    pixels = chunk.astype(np.float32, copy=False)
    not_finite = (
        np.zeros(len(chunk))
        if np.issubdtype(chunk.dtype, np.integer)
        else (~np.isfinite(chunk)).sum(axis=1)
    )
    with np.errstate(invalid="ignore"):
        columns = [
            chunk.min(axis=1),
            chunk.max(axis=1),
            pixels.mean(axis=1),
            pixels.std(axis=1),
            (chunk == 0).mean(axis=1),
            not_finite,
        ]
        return np.stack(columns, axis=1).astype(np.float64)


def _hash_chunk(chunk: np.ndarray) -> np.ndarray:
    digests = (hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in chunk)
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)
