"""What an image is like, in a few numbers: a row per image instead of a column per pixel."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tasks.runner.parts import is_elsewhere, run_parts
from tasks.runner.progress import show_progress

# As many pixels at once as keep memory bounded, whatever the size of the images.
_CHUNK_PIXELS = 2**23


def describe_images(images: np.ndarray) -> pd.DataFrame:
    """Describes each image, in parts: a memory-mapped array is never held whole.

    (n, ...) of any numeric type → n rows with the float64 columns minimum, maximum, mean, spread
    (the standard deviation of the pixels), zero_share (of the pixels), not_finite (how many pixels
    are NaN or infinite), and content (uint64), a hash of the pixels: equal images have equal
    hashes, and two different ones among a million share one with a probability of 3e-8.
    """
    found = zip(_split(images), run_parts(_try_to_describe, _split(images)), strict=True)
    described = (
        _describe(rows._replace(source=images)) if part is None else part for rows, part in found
    )
    parts = list(show_progress(described, what="describing images", total=len(images)))
    return pd.concat(parts or [_describe(_Rows(images, 0, 0))], ignore_index=True)


def iterate_chunks(images: np.ndarray) -> Iterator[np.ndarray]:
    """Yields (m, pixels) arrays that together hold all images, in order."""
    chunks = (rows.read() for rows in _split(images, as_file=False))
    return show_progress(chunks, what="looking at images", total=len(images))


class _Rows(NamedTuple):
    """Images that are described together: of an array, or of a file that workers can open."""

    source: np.ndarray | Path
    start: int
    stop: int

    def read(self) -> np.ndarray:
        source = self.source
        if isinstance(source, Path):
            source = np.load(source, mmap_mode="r", allow_pickle=False)
        chunk = np.asarray(source[self.start : self.stop])
        return chunk.reshape(len(chunk), int(np.prod(source.shape[1:])))


def _split(images: np.ndarray, *, as_file: bool = True) -> Iterator[_Rows]:
    source: np.ndarray | Path = images
    if as_file and is_elsewhere() and isinstance(images, np.memmap):
        source = Path(images.filename).resolve()  # pyright: ignore[reportArgumentType]
    step = max(1, _CHUNK_PIXELS // max(1, int(np.prod(images.shape[1:]))))
    for start in range(0, len(images), step):
        yield _Rows(source, start, min(start + step, len(images)))


def _try_to_describe(rows: _Rows) -> pd.DataFrame | None:
    """None on a machine that doesn't have the file."""
    try:
        return _describe(rows)
    except FileNotFoundError:
        return None


def _describe(rows: _Rows) -> pd.DataFrame:
    chunk = rows.read()
    pixels = chunk.astype(np.float32, copy=False)
    is_whole = np.issubdtype(chunk.dtype, np.integer)
    digests = (hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in chunk)
    with np.errstate(invalid="ignore"):
        figures = {
            "minimum": chunk.min(axis=1),
            "maximum": chunk.max(axis=1),
            "mean": pixels.mean(axis=1),
            "spread": pixels.std(axis=1),
            "zero_share": (chunk == 0).mean(axis=1),
            "not_finite": 0 if is_whole else (~np.isfinite(chunk)).sum(axis=1),
        }
        frame = pd.DataFrame(figures, dtype=np.float64)
    frame["content"] = np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)
    return frame
