"""Each kind of input gives the same images; what is broken is told, by row if there are rows."""

import gzip
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.images.policy import ImagePolicy
from tasks.images.sources import Images, open_source
from tasks.runner.errors import InputError

WANTED = ImagePolicy(height=28, width=28, channels=1, size="refuse", background=None, white=None)


def read_all(path: Path, size: int = 32) -> list[Images]:
    return list(open_source(path, WANTED).batches(size))


def pixels_of(path: Path) -> np.ndarray:
    return np.concatenate([batch.pixels for batch in read_all(path)])


def write_idx(path: Path, images: np.ndarray) -> None:
    header = struct.pack(">4B3I", 0, 0, 8, 3, *images.shape[:3])
    path.write_bytes(header + images.tobytes())


def write_packed_idx(path: Path, images: np.ndarray) -> None:
    write_idx(path, images)
    path.write_bytes(gzip.compress(path.read_bytes()))


def save_without_channel(path: Path, images: np.ndarray) -> None:
    np.save(path.with_suffix(".npy"), images[..., 0])
    path.with_suffix(".npy").rename(path)


def save_archive(path: Path, images: np.ndarray) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, images=images, labels=np.zeros(len(images)))


WRITERS: dict[str, Callable[[Path, np.ndarray], None]] = {
    "npy without channels": save_without_channel,
    "npz": save_archive,
    "idx": write_idx,
    "idx packed by gzip": write_packed_idx,
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_of_many_images_is_known_by_its_bytes_and_read_in_batches(
    kind: str, tmp_path: Path, images: np.ndarray
) -> None:
    path = tmp_path / "a name without an ending"
    WRITERS[kind](path, images)
    batches = read_all(path, size=32)
    assert [len(batch.names) for batch in batches] == [32, 32, 32, 4]
    assert [name for batch in batches for name in batch.names] == [str(n) for n in range(100)]
    np.testing.assert_array_equal(np.concatenate([batch.pixels for batch in batches]), images)
    rest = list(open_source(path, WANTED).batches(32, first=70))
    assert [name for batch in rest for name in batch.names] == [str(n) for n in range(70, 100)]
    np.testing.assert_array_equal(np.concatenate([batch.pixels for batch in rest]), images[70:])


def test_a_folder_is_read_with_all_its_folders_in_the_order_of_the_names(
    pictures: Path, images: np.ndarray
) -> None:
    (batch,) = read_all(pictures)
    assert batch.names == ["a.png", "c.npy", "deeper/b.jpg"]
    assert batch.errors == [None, None, None]
    np.testing.assert_array_equal(batch.pixels[:2], images[[0, 2]])


def cut_off(path: Path) -> None:
    path.write_bytes((path.parent / "a.png").read_bytes()[:-40])


def of_another_size(path: Path) -> None:
    Image.new("L", (30, 28)).save(path, format="PNG")


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def link_outside(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def save_floats(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros((28, 28), np.float32))


def save_pickle(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.array([{"a": 1}], dtype=object))


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut off": (cut_off, "damaged"),
    "of another size": (of_another_size, "another size: 28 × 30 pixels"),
    "in colour": (lambda path: Image.new("RGB", (28, 28), "red").save(path, "PNG"), "in colour"),
    "a text": (lambda path: path.write_text("hello"), "is no PNG, JPEG"),
    "a pipe": (make_pipe, "is no regular file"),
    "a link": (link_outside, "is a link, which isn't followed"),
    "a link to a folder": (lambda path: path.symlink_to("/etc"), "which isn't followed"),
    "of floats": (save_floats, "float32"),
    "a pickle": (save_pickle, "object"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_image_among_good_ones_is_an_error_of_its_own(kind: str, pictures: Path) -> None:
    write, message = BROKEN[kind]
    write(pictures / "bad.png")
    (batch,) = read_all(pictures)
    assert batch.names == ["a.png", "bad.png", "c.npy", "deeper/b.jpg"]
    assert [error is None for error in batch.errors] == [True, False, True, True]
    assert message in str(batch.errors[1])
    assert "bad.png" in str(batch.errors[1])
    assert len(batch.pixels) == 3


def test_an_image_of_another_size_is_scaled_where_that_is_asked_for(pictures: Path) -> None:
    of_another_size(pictures / "bad.png")
    (batch,) = open_source(pictures, WANTED.model_copy(update={"size": "stretch"})).batches(10)
    assert batch.errors == [None] * 4
    assert batch.pixels.shape == (4, 28, 28, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "begins with the bytes none"),
        (b"hello, I am a text", "Expected a PNG, JPEG, MPO"),
        (b"\x93NUMPY\x01\x00\xff", "broken .npy header"),
        (b"PK\x03\x04 and nothing more", "can't be read: File is not a zip file"),
        (b"\x1f\x8b\x08 and nothing more", "can't be read"),
        (struct.pack(">4B3I", 0, 0, 8, 3, 2**31, 28, 28), "its header says"),
    ],
)
def test_a_file_that_holds_no_images_is_refused(
    content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_all(path)


def test_a_packed_file_that_ends_early_is_an_error(tmp_path: Path, images: np.ndarray) -> None:
    path = tmp_path / "file"
    write_idx(path, images)
    path.write_bytes(gzip.compress(path.read_bytes()[:-1]))
    with pytest.raises(InputError, match="ends after 99 of 100 images"):
        read_all(path)


def test_an_archive_with_two_arrays_of_images_is_asked_which(
    tmp_path: Path, images: np.ndarray
) -> None:
    np.savez(tmp_path / "two.npz", first=images, second=images)
    with pytest.raises(InputError, match=r"several arrays of images \(first, second\)"):
        open_source(tmp_path / "two.npz", WANTED)


def test_an_empty_folder_and_a_missing_path_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(InputError, match="Expected a PNG"):
            open_source(path, WANTED)
