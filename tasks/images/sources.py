"""Images from outside, a batch at a time: a folder, one image, an .npy, .npz or IDX file.

What a file is, its first bytes say, not its name. Nothing from outside is trusted: no link is
followed, nothing is unpickled, and whatever is read is read in batches.
"""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tasks.images.arrays import GZIP_MAGIC, Array, list_npz, open_idx, open_npy
from tasks.images.decode import READ, decode_image, is_picture
from tasks.images.errors import ImageError, Tally, in_utf8
from tasks.images.files import list_files, read_file
from tasks.images.policy import ImagePolicy
from tasks.runner.errors import InputError
from tasks.runner.parts import map_parts

_NPY_MAGIC = b"\x93NUMPY"
_ZIP_MAGIC = b"PK\x03\x04"
_IDX_IMAGES = (b"\x00\x00\x08\x03", b"\x00\x00\x08\x04")
_BEGINNING_BYTES = 16
_PART = 32
_EXPECTED = f"a {READ}, an .npy, .npz or IDX file of images, or a folder of images and .npy files"


class Images(NamedTuple):
    """A batch: names in UTF-8, why an image can't be used, or None, and the pixels of the others.

    These are (m, height, width, channels) uint8.
    """

    names: list[str]
    errors: list[str | None]
    pixels: np.ndarray


class Source(NamedTuple):
    """The images of a path, and what nobody means as one.

    `batches(size, first=0)` yields all from the first on, at most `size` at a time.
    """

    num_images: int
    aside: Tally
    batches: Callable[..., Iterator[Images]]


def open_source(path: Path, policy: ImagePolicy) -> Source:
    """Finds out what a path is; one that holds no images is refused."""
    if path.is_dir():
        names, aside = list_pictures(path)
        return _open_pictures({name: path / name for name in names}, policy, aside)
    if not path.is_file():
        raise InputError(f"{path} isn't a file. Expected {_EXPECTED}")
    try:
        with path.open("rb") as file:
            beginning = file.read(_BEGINNING_BYTES)
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}. Expected {_EXPECTED}") from None
    if is_picture(beginning):
        return _open_pictures({path.name: path.resolve()}, policy, Tally())
    if beginning.startswith(_NPY_MAGIC):
        array = open_npy(partial(path.open, "rb"), path.stat().st_size, str(path))
        return _open_stack(array, policy)
    if beginning.startswith(_ZIP_MAGIC):
        return _open_stack(_choose_array(path, policy), policy)
    if beginning.startswith((GZIP_MAGIC, *_IDX_IMAGES)):
        return _open_stack(open_idx(path), policy)
    raise InputError(
        f"{path} begins with the bytes {beginning[:8].hex(' ') or 'none'}. Expected {_EXPECTED}"
    )


def list_pictures(folder: Path) -> tuple[list[str], Tally]:
    """The names of the files in a folder, and what nobody means as an image."""
    found = list_files(folder)
    if not found.files:
        reasons = "".join(f"\nleft aside, {line}" for line in found.aside.describe())
        raise InputError(f"{folder} holds no images. Expected {_EXPECTED}{reasons}")
    return [file.relative_to(folder).as_posix() for file in found.files], found.aside


def _open_pictures(places: dict[str, Path], policy: ImagePolicy, aside: Tally) -> Source:
    def fetch(part: Sequence[str]) -> Iterator[bytes | InputError]:
        return (fetch_file(places[name], name) for name in part)

    def read(size: int, *, first: int = 0) -> Iterator[Images]:
        return read_pictures([*places][first:], fetch, policy, size)

    return Source(len(places), aside, read)


def fetch_file(path: Path, name: str) -> bytes | InputError:
    """The bytes of a file from outside, or why there are none."""
    try:
        return read_file(path, name=name, follow_links=False)
    except InputError as error:
        return error


def read_pictures(
    names: Sequence[str],
    fetch: Callable[[Sequence[str]], Iterable[bytes | InputError]],
    policy: ImagePolicy,
    size: int,
) -> Iterator[Images]:
    """Files of one image each, or .npy, in batches; whatever else they are is the error of a row.

    `fetch` gives the bytes of some of the named files, in order, or why there are none.
    """

    def read_part(part: Sequence[str]) -> list[np.ndarray | str]:
        return [_read(name, found, policy) for name, found in zip(part, fetch(part), strict=True)]

    for start in range(0, len(names), size):
        batch = names[start : start + size]
        read = [image for part in map_parts(read_part, batch, size=_PART) for image in part]
        good = [image for image in read if isinstance(image, np.ndarray)]
        yield Images(
            names=[in_utf8(name) for name in batch],
            errors=[None if isinstance(image, np.ndarray) else image for image in read],
            pixels=np.stack(good) if good else np.empty((0, *policy.shape), np.uint8),
        )


def _open_stack(array: Array, policy: ImagePolicy) -> Source:
    """A file of images of one size, one after another, that is unpacked as it is read."""
    images = _as_images(array, policy)

    def read(size: int, *, first: int = 0) -> Iterator[Images]:
        for pixels in images.rows(size, first=first):
            names = [str(first + number) for number in range(len(pixels))]
            yield Images(names, [None] * len(pixels), pixels)
            first += len(pixels)

    return Source(images.shape[0], Tally(), read)


def _read(name: str, content: bytes | InputError, policy: ImagePolicy) -> np.ndarray | str:
    """The pixels, or why there are none."""
    shown = in_utf8(name)
    try:
        if shown != name:
            raise ImageError(shown, "has a name that isn't in UTF-8", "; rename it")
        if isinstance(content, InputError):
            raise content
        if content.startswith(_NPY_MAGIC):
            return _read_numpy_image(name, content, policy)
        return decode_image(content, name=name, policy=policy)
    except InputError as error:
        return str(error)


def _choose_array(path: Path, policy: ImagePolicy) -> Array:
    """Of an .npz file: its only array of images, or the one that is called `images`."""
    found: dict[str, Array] = {}
    others: list[str] = []
    for name, open_array in list_npz(path).items():
        try:
            found[name] = _as_images(open_array(), policy)
        except InputError as error:
            others.append(str(error))
    chosen = {"images"} & found.keys() or found.keys()
    if len(chosen) != 1:
        several = f"several arrays of images ({', '.join(found)})"
        raise InputError(
            f"{path} holds {several if found else 'no images'}; expected one, or one that is called"
            " images" + "".join(f"\n{other}" for other in others)
        )
    return found[min(chosen)]


def _read_numpy_image(name: str, content: bytes, policy: ImagePolicy) -> np.ndarray:
    """The only image of an .npy file in a folder."""
    array = _as_images(open_npy(partial(io.BytesIO, content), len(content), name), policy)
    if array.shape[0] != 1:
        raise InputError(
            f"{name} holds {array.shape[0]:,} images; in a folder, expected one per file"
        )
    return next(array.rows(1))[0]


def _as_images(array: Array, policy: ImagePolicy) -> Array:
    """The array as (n, height, width, channels); it may lack the first axis or the last."""
    if array.dtype != np.uint8:
        raise InputError(f"{array.name} is an array of {array.dtype}; expected uint8, 0 to 255")
    of_one = [policy.shape, *([policy.shape[:2]] if policy.channels == 1 else [])]
    if array.shape in of_one:
        return array._replace(shape=(1, *policy.shape))
    if array.shape[1:] in of_one:
        return array._replace(shape=(array.shape[0], *policy.shape))
    raise InputError(
        f"{array.name} is an array of {' × '.join(map(str, array.shape)) or 'one number'}; expected"
        f" images of {' × '.join(map(str, policy.shape))} (height × width × channels)"
    )
