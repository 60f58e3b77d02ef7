"""Images from outside, a batch at a time: a folder, one image, an .npy, .npz or IDX file.

What a file is, its first bytes say, not its name. Nothing from outside is trusted: no link is
followed, nothing is unpickled, no size that a header states is allocated before it was compared
with the file's, and whatever is read is read in batches.
"""

import gzip
import io
import math
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import numpy as np

from tasks.images.decode import MAX_FILE_BYTES, Resize, decode_image, fit_image
from tasks.images.idx import GZIP_MAGIC, parse_header
from tasks.runner.errors import InputError

_NPY_MAGIC = b"\x93NUMPY"
_ZIP_MAGIC = b"PK\x03\x04"
_IDX_IMAGES = (b"\x00\x00\x08\x03", b"\x00\x00\x08\x04")
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
_LONGEST_MAGIC = 8
_EXPECTED = "a PNG, JPEG, .npy, .npz or IDX file of images, or a folder of PNG, JPEG and .npy files"


@dataclass(frozen=True)
class Images:
    """A batch from a source.

    Attributes:
        names: of the images.
        errors: why an image can't be used, or None.
        pixels: (m, height, width, channels) uint8, of those m images that can.

    """

    names: list[str]
    errors: list[str | None]
    pixels: np.ndarray


@dataclass(frozen=True)
class Wanted:
    """What the model takes.

    Attributes:
        shape: height, width, channels.
        resize: what to do with a picture of another size.

    """

    shape: tuple[int, ...]
    resize: Resize


class Source(Protocol):
    """Where images come from."""

    num_images: int

    def batches(self, size: int) -> Iterator[Images]:
        """Yields all images, in order, at most `size` at a time."""
        ...


def open_source(path: Path, wanted: Wanted) -> Source:
    """Finds out what a path is.

    Raises:
        InputError: it holds no images.

    """
    if path.is_dir():
        return Folder(path, wanted)
    if not path.is_file():
        raise InputError(f"{path} isn't a file. Expected {_EXPECTED}")
    try:
        with path.open("rb") as file:
            magic = file.read(_LONGEST_MAGIC)
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}. Expected {_EXPECTED}") from None
    if magic.startswith(_PICTURES):
        return Pictures([(path.name, path.resolve())], wanted)
    if magic.startswith(_NPY_MAGIC):
        return NumpyFile(path, wanted)
    if magic.startswith(_ZIP_MAGIC):
        return NumpyArchive(path, wanted)
    if magic.startswith((GZIP_MAGIC, *_IDX_IMAGES)):
        return IdxFile(path, wanted)
    raise InputError(
        f"{path} begins with the bytes {magic.hex(' ') or 'none'}. Expected {_EXPECTED}"
    )


class Pictures:
    """Files of one image each: PNG, JPEG or .npy; whatever else they are is the error of a row."""

    def __init__(self, files: list[tuple[str, Path]], wanted: Wanted) -> None:
        self._files = files
        self._wanted = wanted
        self.num_images = len(files)

    def batches(self, size: int) -> Iterator[Images]:
        """Reads the files of a batch."""
        for start in range(0, len(self._files), size):
            files = self._files[start : start + size]
            errors: list[str | None] = []
            pixels = np.empty((len(files), *self._wanted.shape), np.uint8)
            num_good = 0
            for name, path in files:
                try:
                    pixels[num_good] = _read_picture(name, path, self._wanted)
                except InputError as error:
                    errors.append(str(error))
                else:
                    errors.append(None)
                    num_good += 1
            yield Images([name for name, _ in files], errors, pixels[:num_good])


class Folder(Pictures):
    """Every file of a folder and of the folders in it, in the order of their names."""

    def __init__(self, folder: Path, wanted: Wanted) -> None:
        paths = [
            Path(place, name)
            for place, folders, names in os.walk(folder)
            for name in [*names, *(name for name in folders if Path(place, name).is_symlink())]
        ]
        if not paths:
            raise InputError(f"{folder} is empty. Expected {_EXPECTED}")
        files = sorted((path.relative_to(folder).as_posix(), path) for path in paths)
        super().__init__(files, wanted)


class NumpyFile:
    """An .npy file of one image or of many."""

    def __init__(self, path: Path, wanted: Wanted) -> None:
        self._path = path
        with path.open("rb") as file:
            shape, self._offset = _read_npy_header(file, path.stat().st_size, str(path))
        self._shape = _as_images(shape, wanted, str(path))
        self.num_images = self._shape[0]

    def batches(self, size: int) -> Iterator[Images]:
        """Reads the file from its header on."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            yield from _stream(file, self._shape, size, str(self._path))


class NumpyArchive:
    """An .npz file: its only array of images, or the one that is called `images`."""

    def __init__(self, path: Path, wanted: Wanted) -> None:
        self._path = path
        found: dict[str, tuple[tuple[int, ...], int]] = {}
        others: list[str] = []
        try:
            with zipfile.ZipFile(path) as archive:
                for entry in archive.infolist():
                    name = entry.filename.removesuffix(".npy")
                    try:
                        with archive.open(entry) as file:
                            shape, offset = _read_npy_header(file, entry.file_size, name)
                        found[entry.filename] = _as_images(shape, wanted, name), offset
                    except InputError as error:
                        others.append(str(error))
        except _ZIP_ERRORS as error:
            raise InputError(f"{path} is a broken archive: {error}") from None
        chosen = {"images.npy"} & found.keys() or found.keys()
        if len(chosen) != 1:
            names = ", ".join(name.removesuffix(".npy") for name in found)
            raise InputError(
                f"{path} holds {f'several arrays of images ({names})' if found else 'no images'}"
                "; expected one, or one that is called images"
                + "".join(f"\n{other}" for other in others)
            )
        (self._entry,) = chosen
        self._shape, self._offset = found[self._entry]
        self.num_images = self._shape[0]

    def batches(self, size: int) -> Iterator[Images]:
        """Unpacks as it goes."""
        try:
            with zipfile.ZipFile(self._path) as archive, archive.open(self._entry) as file:
                file.read(self._offset)
                yield from _stream(file, self._shape, size, str(self._path))
        except _ZIP_ERRORS as error:
            raise InputError(f"{self._path} is a broken archive: {error}") from None


class IdxFile:
    """An IDX file of images, packed by gzip or not."""

    def __init__(self, path: Path, wanted: Wanted) -> None:
        self._path = path
        with path.open("rb") as file:
            self._open = gzip.open if file.read(2) == GZIP_MAGIC else open
        try:
            with self._open(path, "rb") as file:
                header = file.read(4 + 4 * 4)
        except _GZIP_ERRORS as error:
            raise InputError(f"{path} is broken gzip: {error}") from None
        num_dimensions = 4 if header[3:4] == b"\x04" else 3
        shape = parse_header(header, name=str(path), num_dimensions=num_dimensions)
        self._offset = 4 + 4 * num_dimensions
        size = path.stat().st_size
        if self._open is open and size - self._offset != math.prod(shape):
            raise InputError(
                f"{path} holds {size - self._offset:,} bytes of data; its header says"
                f" {' × '.join(map(str, shape))}"
            )
        self._shape = _as_images(shape, wanted, str(path))
        self.num_images = self._shape[0]

    def batches(self, size: int) -> Iterator[Images]:
        """Unpacks as it goes."""
        try:
            with self._open(self._path, "rb") as file:
                file.read(self._offset)
                yield from _stream(file, self._shape, size, str(self._path))
        except _GZIP_ERRORS as error:
            raise InputError(f"{self._path} is broken gzip: {error}") from None


_GZIP_ERRORS = (OSError, EOFError, zlib.error)
_ZIP_ERRORS = (*_GZIP_ERRORS, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError)


def _read_picture(name: str, path: Path, wanted: Wanted) -> np.ndarray:
    content = _read_regular_file(name, path)
    height, width, channels = wanted.shape
    if content.startswith(_PICTURES):
        picture = decode_image(content, name=name, channels=channels)
        return fit_image(picture, height=height, width=width, resize=wanted.resize, name=name)
    if content.startswith(_NPY_MAGIC):
        return _read_numpy_image(name, content, wanted)
    raise InputError(
        f"{name} begins with the bytes {content[:_LONGEST_MAGIC].hex(' ') or 'none'};"
        " expected a PNG, JPEG or .npy file of one image"
    )


def _read_numpy_image(name: str, content: bytes, wanted: Wanted) -> np.ndarray:
    shape, offset = _read_npy_header(io.BytesIO(content), len(content), name)
    if _as_images(shape, wanted, name)[0] != 1:
        raise InputError(f"{name} holds {shape[0]:,} images; in a folder, expected one per file")
    return np.frombuffer(content, np.uint8, offset=offset).reshape(wanted.shape)


def _read_npy_header(file: IO[bytes], num_bytes: int, name: str) -> tuple[tuple[int, ...], int]:
    """Reads the header of an .npy file, and compares the size that it states with the file's.

    Returns:
        The shape of the array, of uint8, and where its first byte lies.

    """
    try:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, is_fortran, dtype = read(file)
    except (ValueError, KeyError, EOFError) as error:
        raise InputError(f"{name} has a broken .npy header: {error}") from None
    if dtype != np.uint8 or is_fortran:
        order = " in Fortran's order" if is_fortran else ""
        raise InputError(f"{name} is an array of {dtype}{order}; expected uint8, 0 to 255")
    offset = file.tell()
    if num_bytes - offset != math.prod(shape):
        raise InputError(
            f"{name} holds {num_bytes - offset:,} bytes of data; its header says"
            f" {' × '.join(map(str, shape))}"
        )
    return shape, offset


def _as_images(shape: tuple[int, ...], wanted: Wanted, name: str) -> tuple[int, ...]:
    """The shape (n, height, width, channels) of an array that may lack the first or the last."""
    height, width, channels = wanted.shape
    of_one = [wanted.shape, *([(height, width)] if channels == 1 else [])]
    if shape in of_one:
        return 1, *wanted.shape
    if shape[1:] in of_one:
        return shape[0], *wanted.shape
    raise InputError(
        f"{name} is an array of {' × '.join(map(str, shape)) or 'one number'}; expected images of"
        f" {' × '.join(map(str, wanted.shape))} (height × width × channels)"
    )


def _stream(
    file: IO[bytes] | gzip.GzipFile, shape: tuple[int, ...], size: int, name: str
) -> Iterator[Images]:
    """Reads (n, height, width, channels) images, at most `size` at a time."""
    image_bytes = math.prod(shape[1:])
    for start in range(0, shape[0], size):
        number = min(size, shape[0] - start)
        content = file.read(number * image_bytes)
        if len(content) != number * image_bytes:
            raise InputError(
                f"{name} ends after {start + len(content) // image_bytes:,} of {shape[0]:,} images"
            )
        names = [str(index) for index in range(start, start + number)]
        pixels = np.frombuffer(content, np.uint8).reshape(number, *shape[1:])
        yield Images(names, [None] * number, pixels)
    if file.read(1):
        raise InputError(f"{name} holds more than the {shape[0]:,} images that its header states")


def _read_regular_file(name: str, path: Path) -> bytes:
    """Reads a file that is neither a link nor something that blocks, such as a pipe."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise InputError(f"{name} isn't a regular file")
            if status.st_size > MAX_FILE_BYTES:
                raise InputError(f"{name} is larger than {MAX_FILE_BYTES:,} bytes")
            return file.read()
    except OSError as error:
        if path.is_symlink():
            raise InputError(f"{name} is a symbolic link, which isn't followed") from None
        raise InputError(f"{name} can't be read: {error.strerror}") from None
