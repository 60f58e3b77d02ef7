"""Images from outside, a batch at a time: a folder, one image, an .npy, .npz or IDX file.

What a file is, its first bytes say, not its name. Nothing from outside is trusted: no link is
followed, nothing is unpickled, no size that a header states is allocated before it was compared
with the file's, and whatever is read is read in batches.
"""

import gzip
import io
import math
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from tasks.images.decode import READ, decode_image, is_picture
from tasks.images.errors import ImageError, Tally
from tasks.images.files import list_files, read_file
from tasks.images.idx import GZIP_MAGIC, parse_header
from tasks.images.parallel import map_parts
from tasks.images.policy import ImagePolicy
from tasks.runner.errors import InputError

_NPY_MAGIC = b"\x93NUMPY"
_ZIP_MAGIC = b"PK\x03\x04"
_IDX_IMAGES = (b"\x00\x00\x08\x03", b"\x00\x00\x08\x04")
_BEGINNING_BYTES = 16
_PART = 32
_EXPECTED = f"a {READ}, an .npy, .npz or IDX file of images, or a folder of images and .npy files"
_BROKEN = (
    *(OSError, EOFError, zlib.error, zipfile.BadZipFile),
    *(NotImplementedError, RuntimeError, ValueError, KeyError),
)


@dataclass(frozen=True)
class Images:
    """A batch from a source.

    Attributes:
        names: of the images, in UTF-8.
        errors: why an image can't be used, or None.
        pixels: (m, height, width, channels) uint8, of those m images that can.

    """

    names: list[str]
    errors: list[str | None]
    pixels: np.ndarray


class Source(Protocol):
    """Where images come from.

    Attributes:
        num_images: all of them.
        aside: files that nobody means as images.

    """

    num_images: int
    aside: Tally

    def batches(self, size: int) -> Iterator[Images]:
        """Yields all images, in order, at most `size` at a time."""
        ...


def open_source(path: Path, policy: ImagePolicy) -> Source:
    """Finds out what a path is.

    Raises:
        InputError: it holds no images.

    """
    if path.is_dir():
        found = list_files(path)
        if not found.files:
            reasons = "".join(f"\nleft aside, {line}" for line in found.aside.describe())
            raise InputError(f"{path} holds no images. Expected {_EXPECTED}{reasons}")
        names = [file.relative_to(path).as_posix() for file in found.files]
        return Pictures(list(zip(names, found.files, strict=True)), policy, found.aside)
    if not path.is_file():
        raise InputError(f"{path} isn't a file. Expected {_EXPECTED}")
    try:
        with path.open("rb") as file:
            beginning = file.read(_BEGINNING_BYTES)
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}. Expected {_EXPECTED}") from None
    if is_picture(beginning):
        return Pictures([(path.name, path.resolve())], policy)
    if beginning.startswith(_NPY_MAGIC):
        return _open_npy(path, policy)
    if beginning.startswith(_ZIP_MAGIC):
        return _open_npz(path, policy)
    if beginning.startswith((GZIP_MAGIC, *_IDX_IMAGES)):
        return _open_idx(path, policy)
    raise InputError(
        f"{path} begins with the bytes {beginning[:8].hex(' ') or 'none'}. Expected {_EXPECTED}"
    )


@dataclass
class Pictures:
    """Files of one image each, or .npy; whatever else they are is the error of a row."""

    files: list[tuple[str, Path]]
    policy: ImagePolicy
    aside: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self.num_images = len(self.files)

    def batches(self, size: int) -> Iterator[Images]:
        """Reads the files of a batch on all cores."""
        for start in range(0, len(self.files), size):
            files = self.files[start : start + size]
            parts = map_parts(self._read_part, files, size=_PART)
            read = [image for part in parts for image in part]
            good = [image for image in read if isinstance(image, np.ndarray)]
            yield Images(
                names=[_in_utf8(name) for name, _ in files],
                errors=[None if isinstance(image, np.ndarray) else image for image in read],
                pixels=np.stack(good) if good else np.empty((0, *self.policy.shape), np.uint8),
            )

    def _read_part(self, files: Sequence[tuple[str, Path]]) -> list[np.ndarray | str]:
        return [self._read(name, path) for name, path in files]

    def _read(self, name: str, path: Path) -> np.ndarray | str:
        """The pixels, or why there are none."""
        shown = _in_utf8(name)
        try:
            if shown != name:
                raise ImageError(shown, "has a name that isn't in UTF-8", "; rename it")
            content = read_file(path, name=name, follow_links=False)
            if content.startswith(_NPY_MAGIC):
                return _read_numpy_image(name, content, self.policy)
            return decode_image(content, name=name, policy=self.policy)
        except InputError as error:
            return str(error)


@dataclass
class Stack:
    """A file of images of one size, one after another.

    Attributes:
        name: of the file.
        open_file: opens what holds the array, unpacked.
        offset: of the first image.
        num_images: how many they are, as the header states.
        shape: height, width, channels.

    """

    name: str
    open_file: Callable[[], AbstractContextManager[Any]]
    offset: int
    num_images: int
    shape: tuple[int, int, int]
    aside: Tally = field(default_factory=Tally)

    def batches(self, size: int) -> Iterator[Images]:
        """Unpacks as it goes."""
        image_bytes = math.prod(self.shape)
        with _naming(self.name), self.open_file() as file:
            file.read(self.offset)
            for start in range(0, self.num_images, size):
                number = min(size, self.num_images - start)
                content = file.read(number * image_bytes)
                if len(content) != number * image_bytes:
                    raise InputError(
                        f"{self.name} ends after {start + len(content) // image_bytes:,} of"
                        f" {self.num_images:,} images"
                    )
                names = [str(index) for index in range(start, start + number)]
                pixels = np.frombuffer(content, np.uint8).reshape(number, *self.shape)
                yield Images(names, [None] * number, pixels)
            if file.read(1):
                raise InputError(
                    f"{self.name} holds more than the {self.num_images:,} images that its header"
                    " states"
                )


def _open_npy(path: Path, policy: ImagePolicy) -> Stack:
    """An .npy file of one image or of many."""
    with path.open("rb") as file:
        shape, offset = _read_npy_header(file, path.stat().st_size, str(path))
    number = _count_images(shape, policy, str(path))
    return Stack(str(path), partial(path.open, "rb"), offset, number, policy.shape)


def _open_npz(path: Path, policy: ImagePolicy) -> Stack:
    """An .npz file: its only array of images, or the one that is called `images`."""
    found: dict[str, Stack] = {}
    others: list[str] = []
    with _naming(str(path)), zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            name = entry.filename.removesuffix(".npy")
            try:
                with archive.open(entry) as file:
                    shape, offset = _read_npy_header(file, entry.file_size, name)
                number = _count_images(shape, policy, name)
            except InputError as error:
                others.append(str(error))
            else:
                opener = partial(_open_entry, path, entry.filename)
                found[name] = Stack(str(path), opener, offset, number, policy.shape)
    chosen = {"images"} & found.keys() or found.keys()
    if len(chosen) != 1:
        several = f"several arrays of images ({', '.join(found)})"
        raise InputError(
            f"{path} holds {several if found else 'no images'}; expected one, or one that is called"
            " images" + "".join(f"\n{other}" for other in others)
        )
    return found[min(chosen)]


@contextmanager
def _open_entry(path: Path, name: str) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(path) as archive, archive.open(name) as file:
        yield file


def _open_idx(path: Path, policy: ImagePolicy) -> Stack:
    """An IDX file of images, packed by gzip or not."""
    name = str(path)
    with path.open("rb") as file:
        is_packed = file.read(2) == GZIP_MAGIC
    open_file = partial(gzip.GzipFile, path) if is_packed else partial(path.open, "rb")
    with _naming(name), open_file() as file:
        header = file.read(4 + 4 * 4)
    num_dimensions = 4 if header[3:4] == b"\x04" else 3
    shape = parse_header(header, name=name, num_dimensions=num_dimensions)
    offset = 4 + 4 * num_dimensions
    if not is_packed:
        _check_length(path.stat().st_size - offset, shape, name)
    return Stack(name, open_file, offset, _count_images(shape, policy, name), policy.shape)


def _read_numpy_image(name: str, content: bytes, policy: ImagePolicy) -> np.ndarray:
    shape, offset = _read_npy_header(io.BytesIO(content), len(content), name)
    if _count_images(shape, policy, name) != 1:
        raise InputError(f"{name} holds {shape[0]:,} images; in a folder, expected one per file")
    return np.frombuffer(content, np.uint8, offset=offset).reshape(policy.shape)


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
    _check_length(num_bytes - file.tell(), shape, name)
    return shape, file.tell()


def _check_length(num_bytes: int, shape: tuple[int, ...], name: str) -> None:
    if num_bytes != math.prod(shape):
        raise InputError(
            f"{name} holds {num_bytes:,} bytes of data; its header says"
            f" {' × '.join(map(str, shape))}"
        )


def _count_images(shape: tuple[int, ...], policy: ImagePolicy, name: str) -> int:
    """How many images an array of a shape holds, that may lack the first axis or the last."""
    of_one = [policy.shape, *([policy.shape[:2]] if policy.channels == 1 else [])]
    if shape in of_one:
        return 1
    if shape[1:] in of_one:
        return shape[0]
    raise InputError(
        f"{name} is an array of {' × '.join(map(str, shape)) or 'one number'}; expected images of"
        f" {' × '.join(map(str, policy.shape))} (height × width × channels)"
    )


def _in_utf8(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Turns whatever a broken file causes into one line that names it."""
    try:
        yield
    except _BROKEN as error:
        raise InputError(f"{name} is broken: {error}") from None
