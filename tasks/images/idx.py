"""The IDX format of MNIST and its family.

Source: http://yann.lecun.com/exdb/mnist. Two zero bytes, a type (8: unsigned byte), the number of
dimensions, each dimension as a big-endian 32-bit integer, then the bytes of the array.
"""

import io
import math
import struct
import zlib
from gzip import GzipFile

import numpy as np

from tasks.runner.errors import InputError

_UNSIGNED_BYTE = 8
GZIP_MAGIC = b"\x1f\x8b"


def unpack(content: bytes, *, name: str, max_bytes: int) -> bytes:
    """Removes gzip's layer if there is one, and never holds more than `max_bytes`."""
    if not content.startswith(GZIP_MAGIC):
        unpacked = content
    else:
        try:
            with GzipFile(fileobj=io.BytesIO(content)) as file:
                unpacked = file.read(max_bytes + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{name} is broken gzip: {error}") from None
    if len(unpacked) > max_bytes:
        raise InputError(f"{name} holds more than the {max_bytes:,} bytes that are expected")
    return unpacked


def parse_idx(content: bytes, *, name: str, num_dimensions: int) -> np.ndarray:
    """Reads an array of unsigned bytes.

    Returns:
        A read-only uint8 array with `num_dimensions` dimensions.

    Raises:
        InputError: the magic number, the dimensions or the length aren't those of such an array.

    """
    shape = parse_header(content, name=name, num_dimensions=num_dimensions)
    header_bytes = 4 + 4 * num_dimensions
    if len(content) - header_bytes != math.prod(shape):
        raise InputError(
            f"{name} holds {len(content) - header_bytes:,} bytes of data; its header says"
            f" {' × '.join(map(str, shape))} = {math.prod(shape):,}"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=header_bytes).reshape(shape)


def parse_header(content: bytes, *, name: str, num_dimensions: int) -> tuple[int, ...]:
    """Reads the shape of an array of unsigned bytes from the beginning of a file.

    Raises:
        InputError: the magic number isn't that of such an array.

    """
    header_bytes = 4 + 4 * num_dimensions
    expected = bytes([0, 0, _UNSIGNED_BYTE, num_dimensions])
    if content[:4] != expected or len(content) < header_bytes:
        raise InputError(
            f"{name} begins with the bytes {content[:4].hex(' ') or 'none'}; expected"
            f" {expected.hex(' ')}, an IDX file of unsigned bytes in {num_dimensions} dimensions"
        )
    return struct.unpack(f">{num_dimensions}I", content[4:header_bytes])
