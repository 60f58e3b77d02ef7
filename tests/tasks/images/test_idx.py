"""The IDX reader gives back what was written and refuses everything else."""

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tasks.images.arrays import parse_idx, unpack
from tasks.runner.errors import InputError

SHAPES = arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=6)


def idx_of(array: np.ndarray) -> bytes:
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@given(arrays.arrays(np.uint8, SHAPES))
def test_an_array_survives_the_round_trip(array: np.ndarray) -> None:
    found = parse_idx(idx_of(array), name="file", num_dimensions=array.ndim)
    np.testing.assert_array_equal(found, array)


@given(arrays.arrays(np.uint8, SHAPES), st.data())
def test_a_truncated_file_is_refused(array: np.ndarray, data: st.DataObject) -> None:
    content = idx_of(array)
    end = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(InputError, match=r"^file "):
        parse_idx(content[:end], name="file", num_dimensions=array.ndim)


@given(st.binary(max_size=64), st.integers(1, 3))
def test_no_bytes_end_in_another_error(content: bytes, num_dimensions: int) -> None:
    try:
        array = parse_idx(content, name="file", num_dimensions=num_dimensions)
    except InputError:
        return
    assert idx_of(array) == content


def test_a_header_that_claims_four_billion_images_takes_no_memory() -> None:
    content = struct.pack(">4B3I", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1)
    with pytest.raises(InputError, match="its header says"):
        parse_idx(content, name="file", num_dimensions=3)


def test_gzip_is_unpacked_and_plain_bytes_are_left() -> None:
    assert unpack(gzip.compress(b"abc"), name="file", max_bytes=3) == b"abc"
    assert unpack(b"abc", name="file", max_bytes=3) == b"abc"


def test_more_bytes_than_expected_are_refused_before_they_are_unpacked() -> None:
    bomb = gzip.compress(bytes(10_000_000))
    with pytest.raises(InputError, match="more than the 1,000 bytes"):
        unpack(bomb, name="file", max_bytes=1000)


@pytest.mark.parametrize("broken", [b"\x1f\x8b", gzip.compress(b"abcdef" * 99, mtime=0)[:-9]])
def test_broken_gzip_is_refused(broken: bytes) -> None:
    with pytest.raises(InputError, match="broken gzip"):
        unpack(broken, name="file", max_bytes=1000)
