"""Arrays in files that nobody vouches for, .npy, .npz or IDX, read a few rows at a time.

Nothing is unpickled, and nothing is allocated because a header says so: what it states is compared
with the file's size, or read until it ends.

IDX is MNIST's format (http://yann.lecun.com/exdb/mnist): two zero bytes, a type (8: unsigned byte),
the number of dimensions, each dimension as a big-endian 32-bit integer, then the array's bytes.
"""

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from gzip import GzipFile
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

import numpy as np

from tasks.runner.errors import InputError

GZIP_MAGIC = b"\x1f\x8b"
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_BROKEN = (
    *(OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError),
    *(RuntimeError, ValueError, KeyError, TypeError, SyntaxError),
)

Opener = Callable[[], AbstractContextManager[Any]]


class Array(NamedTuple):
    """An array in a file; its shape, type, and the place of its first byte are the header's.

    `open_file` gives a binary file, unpacked.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int
    open_file: Opener

    def rows(self, size: int, *, first: int = 0) -> Iterator[np.ndarray]:
        """Yields all from the first on, at most `size` rows at a time.

        A file that ends early, or late, is refused.
        """
        number, *inner = self.shape
        row_bytes = self.dtype.itemsize * math.prod(inner)
        with naming(self.name), self.open_file() as file:
            file.seek(self.offset + first * row_bytes)
            for start in range(first, number, size):
                wanted = min(size, number - start)
                content = file.read(wanted * row_bytes)
                if len(content) < wanted * row_bytes:
                    raise InputError(
                        f"{self.name} ends after {start + len(content) // row_bytes:,} of"
                        f" {number:,} images. Get a whole copy of it"
                    )
                yield np.frombuffer(content, self.dtype).reshape(wanted, *inner)
            if file.read(1):
                raise InputError(
                    f"{self.name} holds more than the {number:,} images that its header states."
                    " Get an undamaged copy of it"
                )


def open_npy(open_file: Opener, num_bytes: int, name: str) -> Array:
    """The array of an .npy file of so many bytes; objects and columns first are refused."""
    with naming(name, "has a broken .npy header"), open_file() as file:
        shape, is_fortran, dtype = _HEADERS[np.lib.format.read_magic(file)](file)
        offset = file.tell()
    if dtype.hasobject or (is_fortran and len(shape) > 1):
        raise InputError(
            f"{name} holds {'objects' if dtype.hasobject else 'columns first'}; expected plain"
            " numbers, rows first: numpy.ascontiguousarray"
        )
    _check_length(num_bytes - offset, shape, dtype.itemsize, name)
    return Array(name, shape, dtype, offset, open_file)


def list_npz(path: Path) -> dict[str, Callable[[], Array]]:
    """What opens each array of an .npz file, by its name there."""
    with naming(str(path)), zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    found = {}
    for entry in entries:
        name = entry.filename.removesuffix(".npy")
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise InputError(
                f"{path} holds a file with the name {name}: NumPy writes no such names. Expected"
                " what numpy.savez writes"
            )
        opener = partial(_open_entry, path, entry.filename)
        found[name] = partial(open_npy, opener, entry.file_size, f"{path}: {name}")
    return found


def open_idx(path: Path) -> Array:
    """The images of an IDX file, packed by gzip or not."""
    name = str(path)
    with path.open("rb") as file:
        is_packed = file.read(2) == GZIP_MAGIC
    open_file: Opener = partial(GzipFile, path) if is_packed else partial(path.open, "rb")
    with naming(name), open_file() as file:
        header = file.read(4 + 4 * 4)
    num_dimensions = 4 if header[3:4] == b"\x04" else 3
    shape, offset = _parse_header(header, name=name, num_dimensions=num_dimensions)
    if not is_packed:
        _check_length(path.stat().st_size - offset, shape, 1, name)
    return Array(name, shape, np.dtype(np.uint8), offset, open_file)


def unpack(content: bytes, *, name: str, max_bytes: int) -> bytes:
    """Removes gzip's layer if there is one, and never holds more than `max_bytes`."""
    if content.startswith(GZIP_MAGIC):
        with naming(name, "is broken gzip"), GzipFile(fileobj=io.BytesIO(content)) as file:
            content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise InputError(f"{name} holds more than the {max_bytes:,} bytes that are expected")
    return content


def parse_idx(content: bytes, *, name: str, num_dimensions: int) -> np.ndarray:
    """A read-only uint8 array of so many dimensions; any other content is refused."""
    shape, offset = _parse_header(content, name=name, num_dimensions=num_dimensions)
    _check_length(len(content) - offset, shape, 1, name)
    return np.frombuffer(content, np.uint8, offset=offset).reshape(shape)


def _parse_header(content: bytes, *, name: str, num_dimensions: int) -> tuple[tuple[int, ...], int]:
    """The shape, and how many bytes the header has."""
    header_bytes = 4 + 4 * num_dimensions
    expected = bytes([0, 0, 8, num_dimensions])
    if content[:4] != expected or len(content) < header_bytes:
        raise InputError(
            f"{name} begins with the bytes {content[:4].hex(' ') or 'none'}; expected"
            f" {expected.hex(' ')}, an IDX file of unsigned bytes in {num_dimensions} dimensions"
        )
    return struct.unpack(f">{num_dimensions}I", content[4:header_bytes]), header_bytes


@contextmanager
def naming(name: str, what: str = "can't be read") -> Iterator[None]:
    """Turns whatever a broken file causes into one line that names it."""
    try:
        yield
    except _BROKEN as error:
        raise InputError(f"{name} {what}: {error}. Expected an undamaged file") from None


@contextmanager
def _open_entry(path: Path, name: str) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(path) as archive, archive.open(name) as file:
        yield file


def _check_length(num_bytes: int, shape: tuple[int, ...], item_bytes: int, name: str) -> None:
    if num_bytes != item_bytes * math.prod(shape):
        raise InputError(
            f"{name} holds {num_bytes:,} bytes of data; its header says"
            f" {' × '.join(map(str, shape))} numbers of {item_bytes} bytes. Get a whole copy of it"
        )
