"""The ingested images and labels: how they lie in data/raw, written by ingest, read by the rest."""

import json
import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tasks.core import paths
from tasks.core.files import require_sha256, sha256_of, write_json
from tasks.runner.errors import InputError
from tasks.runner.progress import show_progress

MANIFEST_NAME = "manifest.json"
_CHUNK_BYTES = 2**25

SplitName = Literal["train", "test"]


@dataclass(frozen=True)
class ImageSplit:
    """Images and their labels."""

    images: np.ndarray  # (n, height, width, channels) uint8 in 0..255
    labels: np.ndarray  # (n,) uint8, positions in the list of classes

    def all(self) -> "Selection":
        """All images, in their order."""
        return Selection(self, np.arange(len(self.labels)))


@dataclass(frozen=True)
class Selection:
    """Images of a larger array, in an order of their own, that aren't copied before they are saved.

    The source may be mapped into memory.
    """

    source: ImageSplit
    positions: np.ndarray  # (n,) in the source

    @property
    def labels(self) -> np.ndarray:
        """(n,) uint8, in the order of the selection."""
        return self.source.labels[self.positions]

    def take(self, which: np.ndarray) -> np.ndarray:
        """Copies images, which are named by their numbers in the selection."""
        images, positions = self.source.images, self.positions[which]
        if isinstance(images, np.memmap):
            _announce(images, positions)
        return np.asarray(images)[positions]

    def chunks(self) -> Iterator[np.ndarray]:
        """Copies of all images, in order, a bounded number of bytes at a time."""
        step = max(1, _CHUNK_BYTES // max(1, self.source.images[:1].nbytes))
        for start in range(0, len(self.positions), step):
            yield self.take(np.arange(start, min(start + step, len(self.positions))))


def _announce(images: np.memmap, positions: np.ndarray) -> None:
    """Tells the system what is read next of a mapped file: just these images, all at once.

    Left alone, it reads them one after the other, and far more around each.
    """
    file, size = images.base, images[:1].nbytes
    if not isinstance(file, mmap.mmap) or size < mmap.PAGESIZE:
        return
    first = images.offset % mmap.ALLOCATIONGRANULARITY
    for position in positions.tolist():
        start = first + position * size
        page = start - start % mmap.PAGESIZE
        file.madvise(mmap.MADV_WILLNEED, page, start + size - page)


def save_splits(folder: Path, splits: Mapping[SplitName, Selection], origin: object) -> None:
    """Writes each split as two .npy files, which can be mapped into memory, and a manifest.

    The images are copied a chunk at a time: they are never held in memory as a whole. The manifest
    keeps `origin`, what the arrays were made from.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for name, split in splits.items():
        images, labels = (folder / f"{name}_{part}.npy" for part in ("images", "labels"))
        _save_images(images, split)
        np.save(labels, split.labels, allow_pickle=False)
        for path, shape in ((images, split.source.images.shape[1:]), (labels, ())):
            arrays[path.name] = {
                "shape": [len(split.positions), *shape],
                "sha256": sha256_of(path),
            }
    write_json(folder / MANIFEST_NAME, {"origin": origin, "arrays": arrays})


def _save_images(path: Path, split: Selection) -> None:
    """Writes what np.save would write for all images."""
    images, number = split.source.images, len(split.positions)
    header = np.lib.format.header_data_from_array_1_0(images)
    header |= {"shape": (number, *images.shape[1:]), "fortran_order": False}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for chunk in show_progress(split.chunks(), what=f"writing {path.name}", total=number):
            file.write(chunk.tobytes())


def load_split(name: SplitName, folder: Path = paths.RAW) -> ImageSplit:
    """Opens one split, mapped into memory; refuses bytes that aren't those of the manifest."""
    manifest = load_manifest(folder)
    remedy = f"Mend it: rm -r {folder}; dvc repro --force ingest"
    arrays = []
    for part, num_dimensions in (("images", 4), ("labels", 1)):
        path = folder / f"{name}_{part}.npy"
        expected = manifest["arrays"].get(path.name, {}).get("sha256")
        require_sha256(path, expected, listed_in="the manifest", remedy=remedy)
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{path} holds no array: {error}. {remedy}") from None
        if array.dtype != np.uint8 or array.ndim != num_dimensions:
            raise InputError(
                f"{path} holds {array.dtype} in {array.ndim} dimensions; expected uint8 in"
                f" {num_dimensions}. {remedy}"
            )
        arrays.append(array)
    return ImageSplit(*arrays)


def load_manifest(folder: Path = paths.RAW) -> dict[str, Any]:
    """Reads the manifest that lies beside the arrays."""
    path = folder / MANIFEST_NAME
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        _ = [array["sha256"] for array in manifest["arrays"].values()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} can't be read ({error}). Run: dvc repro ingest") from None
    return manifest
