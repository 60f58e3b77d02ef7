"""Source npz: one file in MedMNIST's layout.

`train_images` and `train_labels`, `test_*` or a choice by content in their place, `val_*` or not;
grey images (n, height, width) or (n, height, width, 1), colour (n, height, width, 3), uint8; labels
(n,) or (n, 1), whole numbers.

Source: https://github.com/MedMNIST/MedMNIST.
"""

import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

import numpy as np

from tasks.core.dataset import SplitName
from tasks.core.parameters import DataParameters
from tasks.images.policy import ImagePolicy
from tasks.ingest.parameters import NpzParameters
from tasks.ingest.source import Entry, Source, TestChoice
from tasks.runner.errors import InputError

# Tens of millions of labels; what unpacks to more is no list of labels, and isn't unpacked.
_MAX_LABEL_BYTES = 2**28
_PARTS: dict[str, SplitName] = {"train": "train", "val": "train", "test": "test"}
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class Part(NamedTuple):
    """The images and labels of train, val or test.

    Attributes:
        name: of the three.
        image_shape: height, width, channels.
        num_images: as the header states.
        labels: (n,) int64.

    """

    name: str
    image_shape: tuple[int, int, int]
    num_images: int
    labels: np.ndarray


def read_npz(source: NpzParameters, data: DataParameters) -> Source:
    """Reads the file a few images at a time; nothing is unpacked to disk."""
    path = Path(source.path)
    return Source(
        entries=_list_entries(path, (data.height, data.width, data.channels), source.first_label),
        published=True,
        max_faulty_share=0.0,
        test_choice=TestChoice(source.test_share, source.test_seed),
        policy=ImagePolicy.exact(data),
        origin={"data_set": data.name, "format": "npz"},
    )


def read_parts(path: Path) -> list[Part]:
    """What a file holds, but for the pixels.

    Raises:
        InputError: it isn't such a file.

    """
    with _naming(path), zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        for name in names:
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise InputError(
                    f"{path} holds a file with the name {name}: NumPy writes no such names"
                )
        parts = [part for part in _PARTS if f"{part}_images" in names]
        arrays = [f"{part}_{kind}" for part in ["train", *parts] for kind in ("images", "labels")]
        missing = [name for name in arrays if name not in names]
        if missing:
            raise InputError(f"{path} holds {', '.join(names) or 'nothing'}; missing: {missing[0]}")
        return [_read_part(path, archive, part) for part in parts]


def _read_part(path: Path, archive: zipfile.ZipFile, part: str) -> Part:
    with archive.open(f"{part}_images.npy") as file:
        shape, dtype = _read_header(file, path, f"{part}_images")
    sizes = shape[1:] if len(shape) == 4 else (*shape[1:], 1)
    if dtype != np.uint8 or len(sizes) != 3 or sizes[2] not in (1, 3):
        raise InputError(
            f"{path} holds images of the shape {shape} and the type {dtype}; expected uint8,"
            " (n, height, width) or (n, height, width, 1 or 3)"
        )
    name = f"{part}_labels"
    with archive.open(f"{name}.npy") as file:
        of_labels, kind = _read_header(file, path, name)
    if math.prod(of_labels) * kind.itemsize > _MAX_LABEL_BYTES:
        raise InputError(
            f"{path}: {name} asks for {math.prod(of_labels) * kind.itemsize:,} bytes; expected"
            f" {_MAX_LABEL_BYTES:,} at most"
        )
    if kind.kind not in "iu" or of_labels[1:] not in ((), (1,)) or not of_labels:
        raise InputError(
            f"{path}: {name} has the shape {of_labels} and the type {kind}; expected one whole"
            " number per image"
        )
    if shape[0] != of_labels[0]:
        raise InputError(
            f"{path}: {part}_images holds {shape[0]:,} images, but {name} {of_labels[0]:,} labels"
        )
    with archive.open(f"{name}.npy") as file:
        labels = np.lib.format.read_array(file, allow_pickle=False)
    return Part(part, sizes, shape[0], labels.astype(np.int64).ravel())


def _list_entries(path: Path, shape: tuple[int, int, int], first_label: int) -> Iterator[Entry]:
    for part in read_parts(path):
        if part.image_shape != shape:
            raise InputError(
                f"{path}: {part.name}_images holds images of {_in_words(part.image_shape)};"
                f" params.yaml says {_in_words(shape)}: data.height, data.width, data.channels"
            )
        labels = (part.labels - first_label).tolist()
        for index, (label, image) in enumerate(
            zip(labels, _stream_images(path, part), strict=True)
        ):
            name = f"{part.name} image {index}"
            yield Entry(name, label, _PARTS[part.name], lambda image=image: image)


def _stream_images(path: Path, part: Part) -> Iterator[np.ndarray]:
    name = f"{part.name}_images"
    num_bytes = math.prod(part.image_shape)
    with _naming(path), zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
        _read_header(file, path, name)
        for _ in range(part.num_images):
            content = file.read(num_bytes)
            if len(content) < num_bytes:
                raise InputError(f"{path}: {name} is cut off")
            yield np.frombuffer(content, np.uint8).reshape(part.image_shape)


def _read_header(file: IO[bytes], path: Path, name: str) -> tuple[tuple[int, ...], np.dtype]:
    """The shape and the type of an array, leaving the file where its content begins."""
    shape, is_fortran, dtype = _HEADERS[np.lib.format.read_magic(file)](file)
    if dtype.hasobject or (is_fortran and len(shape) > 1):
        raise InputError(
            f"{path}: {name} holds {'objects' if dtype.hasobject else 'columns first'}; expected"
            " plain numbers, rows first: numpy.ascontiguousarray"
        )
    return shape, dtype


def _in_words(shape: tuple[int, int, int]) -> str:
    return f"{shape[0]} × {shape[1]} pixels in {shape[2]} channel{'s' * (shape[2] > 1)}"


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turns whatever a broken file causes into one line that names it."""
    try:
        yield
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise InputError(f"{path} can't be read: {error}") from None
    except (ValueError, KeyError, TypeError, RuntimeError, SyntaxError) as error:
        raise InputError(f"{path} isn't a plain npz file: {error}") from None
