"""Source npz: one file in MedMNIST's layout.

`train_images` and `train_labels`, `test_*` or a choice by content in their place, `val_*` or not;
grey images (n, height, width) or (n, height, width, 1), colour (n, height, width, 3), uint8; labels
(n,) or (n, 1), whole numbers from 0.

Source: https://github.com/MedMNIST/MedMNIST.
"""

import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np

from tasks.core.parameters import DataParameters
from tasks.images.policy import ImagePolicy
from tasks.ingest.parameters import NpzParameters
from tasks.ingest.source import PARTS, Entry, Source, TestChoice
from tasks.runner.errors import InputError

# Tens of millions of labels; what unpacks to more is no list of labels, and isn't unpacked.
_MAX_LABEL_BYTES = 2**28


def read_npz(source: NpzParameters, data: DataParameters) -> Source:
    """Reads the file a few images at a time; nothing is unpacked to disk."""
    path = Path(source.path)
    shape = (data.height, data.width, data.channels)
    return Source(
        entries=_list_entries(path, shape),
        published=True,
        max_faulty_share=0.0,
        test_choice=TestChoice(source.test_share, source.test_seed),
        policy=ImagePolicy.exact(data),
        origin={"data_set": data.name, "format": "npz"},
    )


def list_parts(path: Path) -> list[str]:
    """The parts, of train, val and test, that a file holds.

    Raises:
        InputError: it isn't such a file.

    """
    with _naming(path), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise InputError(
                f"{path} holds a file with the name {name}: NumPy writes no such names"
            )
    parts = [part for part in PARTS if f"{part}_images.npy" in names]
    arrays = [f"{part}_{kind}.npy" for part in ["train", *parts] for kind in ("images", "labels")]
    missing = [name for name in arrays if name not in names]
    if missing:
        raise InputError(f"{path} holds {', '.join(names) or 'nothing'}; missing: {missing[0]}")
    return parts


def image_shape(path: Path) -> tuple[int, int, int]:
    """Height, width and channels of the training images."""
    name = "train_images"
    with _naming(path), zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
        return _image_shape(path, _read_header(file, path, name))


def read_labels(path: Path, part: str) -> np.ndarray:
    """The labels of a part: (n,) int64."""
    name = f"{part}_labels"
    with _naming(path), zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
        shape, dtype = _read_header(file, path, name)
        num_bytes = math.prod(shape) * dtype.itemsize
        if num_bytes > _MAX_LABEL_BYTES:
            raise InputError(
                f"{path}: {name} asks for {num_bytes:,} bytes; expected {_MAX_LABEL_BYTES:,} at"
                " most"
            )
        content = file.read(num_bytes + 1)
    if dtype.kind not in "iu" or len(shape) not in (1, 2) or shape[1:] not in ((), (1,)):
        raise InputError(
            f"{path}: {name} has the shape {shape} and the type {dtype}; expected one whole number"
            " per image"
        )
    if len(content) != num_bytes:
        raise InputError(f"{path}: {name} doesn't hold the {num_bytes:,} bytes of its header")
    return np.frombuffer(content, dtype).astype(np.int64)


def _list_entries(path: Path, shape: tuple[int, int, int]) -> Iterator[Entry]:
    for part in list_parts(path):
        labels = read_labels(path, part)
        for index, image in enumerate(_stream_images(path, part, len(labels), shape)):
            yield Entry(
                f"{part} image {index}", int(labels[index]), PARTS[part], lambda image=image: image
            )


def _stream_images(
    path: Path, part: str, num_labels: int, expected: tuple[int, int, int]
) -> Iterator[np.ndarray]:
    name = f"{part}_images"
    with _naming(path), zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
        header = _read_header(file, path, name)
        found = _image_shape(path, header)
        if found != expected:
            raise InputError(
                f"{path}: {name} holds images of {_in_words(found)}; params.yaml says"
                f" {_in_words(expected)}: data.height, data.width, data.channels"
            )
        if header[0][0] != num_labels:
            raise InputError(
                f"{path}: {name} holds {header[0][0]:,} images, but {part}_labels {num_labels:,}"
                " labels"
            )
    return _stream_rows(path, name, num_labels, expected)


def _stream_rows(
    path: Path, name: str, number: int, shape: tuple[int, int, int]
) -> Iterator[np.ndarray]:
    with _naming(path):
        archive = zipfile.ZipFile(path)
    with archive:
        with _naming(path):
            file = archive.open(f"{name}.npy")
            _read_header(file, path, name)
        with file:
            for _ in range(number):
                with _naming(path):
                    content = file.read(math.prod(shape))
                if len(content) < math.prod(shape):
                    raise InputError(f"{path}: {name} is cut off")
                yield np.frombuffer(content, np.uint8).reshape(shape)


def _read_header(file: IO[bytes], path: Path, name: str) -> tuple[tuple[int, ...], np.dtype]:
    """The shape and the type of an array, leaving the file where its content begins."""
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    shape, is_fortran, dtype = read(file)
    if dtype.hasobject or (is_fortran and len(shape) > 1):
        raise InputError(
            f"{path}: {name} holds {'objects' if dtype.hasobject else 'columns first'}; expected"
            " plain numbers, rows first: numpy.ascontiguousarray"
        )
    return shape, dtype


def _image_shape(path: Path, header: tuple[tuple[int, ...], np.dtype]) -> tuple[int, int, int]:
    shape, dtype = header
    sizes = shape[1:] if len(shape) == 4 else (*shape[1:], 1)
    if dtype != np.uint8 or len(sizes) != 3 or sizes[2] not in (1, 3):
        raise InputError(
            f"{path} holds images of the shape {shape} and the type {dtype}; expected uint8,"
            " (n, height, width) or (n, height, width, 1 or 3)"
        )
    return sizes


def _in_words(shape: tuple[int, int, int]) -> str:
    return f"{shape[0]} × {shape[1]} pixels in {shape[2]} channel{'s' * (shape[2] > 1)}"


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turns whatever a broken file causes into one line that names it."""
    try:
        yield
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise InputError(f"{path} can't be read: {error}") from None
    except (ValueError, KeyError, RuntimeError, NotImplementedError, SyntaxError) as error:
        raise InputError(f"{path} isn't a plain npz file: {error}") from None
