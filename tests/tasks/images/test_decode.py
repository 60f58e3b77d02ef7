"""An image file is decoded without loss, or refused in one line that names it."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tasks.images.decode import MAX_FILE_BYTES, decode_image, fit_image, read_image
from tasks.runner.errors import InputError

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8)
COLOUR = np.arange(144, dtype=np.uint8).reshape(6, 8, 3)


def encode(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def decode(content: bytes, channels: int = 3) -> np.ndarray:
    return decode_image(content, name="a.png", channels=channels)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_a_grey_image_has_as_many_equal_channels_as_asked(channels: int) -> None:
    pixels = decode(encode(Image.fromarray(GREY)), channels)
    assert pixels.shape == (6, 8, channels)
    assert (pixels == GREY[..., None]).all()


def test_a_colour_image_keeps_every_pixel() -> None:
    np.testing.assert_array_equal(decode(encode(Image.fromarray(COLOUR))), COLOUR)


def test_colour_is_refused_where_grey_is_expected_unless_the_channels_are_equal() -> None:
    with pytest.raises(InputError, match=r"a\.png is in colour"):
        decode(encode(Image.fromarray(COLOUR)), 1)
    equal = np.repeat(GREY[..., None], 3, axis=2)
    np.testing.assert_array_equal(decode(encode(Image.fromarray(equal)), 1)[..., 0], GREY)


@pytest.mark.parametrize("mode", ["1", "P", "RGBA", "LA"])
def test_other_eight_bit_kinds_are_taken_if_they_are_opaque(mode: str) -> None:
    image = Image.fromarray(COLOUR).convert(mode)
    expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(decode(encode(image)), expected)


def test_a_transparent_image_is_refused() -> None:
    image = Image.fromarray(COLOUR).convert("RGBA")
    image.putpixel((0, 0), (1, 2, 3, 254))
    with pytest.raises(InputError, match="transparent in places"):
        decode(encode(image))


def test_a_transparent_colour_of_a_palette_is_refused() -> None:
    image = Image.fromarray(COLOUR).convert("P")
    with pytest.raises(InputError, match="transparent in places"):
        decode(encode(image, transparency=image.getpixel((0, 0))))


def test_sixteen_bits_are_refused_in_grey_and_in_colour() -> None:
    with pytest.raises(InputError, match="16 bits per channel; expected 8"):
        decode(encode(Image.fromarray(GREY.astype(np.uint16) * 256)))
    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    colour = (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(bytes(7)))
        + png_chunk(b"IEND", b"")
    )
    with pytest.raises(InputError, match="16 bits per channel; expected 8"):
        decode(colour)


def test_a_printers_jpeg_is_refused() -> None:
    content = encode(Image.fromarray(COLOUR).convert("CMYK"), "JPEG")
    with pytest.raises(InputError, match="pixels of the kind CMYK"):
        decode(content)


def test_an_animation_is_refused() -> None:
    first, second = Image.fromarray(GREY), Image.fromarray(GREY[::-1])
    with pytest.raises(InputError, match="2 frames"):
        decode(encode(first, save_all=True, append_images=[second]))


@pytest.mark.parametrize("side", [5_000, 10_000, 100_000])
def test_an_image_that_would_fill_the_memory_is_refused_unopened(side: int) -> None:
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(b""))
        + png_chunk(b"IEND", b"")
    )
    with pytest.raises(InputError, match="more than 16,777,216 pixels"):
        decode(bomb)


def test_a_photograph_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    content = encode(Image.fromarray(GREY), exif=exif)
    np.testing.assert_array_equal(decode(content, 1)[..., 0], np.rot90(GREY, -1))


@given(st.integers(0, 7), st.data())
def test_one_flipped_bit_in_a_png_is_refused_or_changes_nothing(
    bit: int, data: st.DataObject
) -> None:
    content = bytearray(encode(Image.fromarray(GREY)))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << bit
    try:
        pixels = decode(bytes(content), 1)
    except InputError:
        return
    np.testing.assert_array_equal(pixels[..., 0], GREY)


@given(st.sampled_from(["PNG", "JPEG"]), st.data())
def test_a_truncated_file_is_refused(kind: str, data: st.DataObject) -> None:
    content = encode(Image.fromarray(COLOUR), kind)
    end = data.draw(st.integers(0, len(content) - 13))
    with pytest.raises(InputError, match=r"a\.png"):
        decode(content[:end])


@given(st.binary(max_size=99))
def test_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(InputError, match=r"a\.png is neither a PNG nor a JPEG file"):
        decode(content)


def test_a_missing_and_a_huge_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be read: No such file"):
        read_image(tmp_path / "a.png", channels=1)
    with (tmp_path / "b.png").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(InputError, match="larger than"):
        read_image(tmp_path / "b.png", channels=1)


@pytest.mark.parametrize("channels", [1, 3])
def test_another_size_is_refused_or_stretched(channels: int) -> None:
    image = np.full((6, 8, channels), 7, np.uint8)
    with pytest.raises(InputError, match=r"a\.png has 6 × 8 pixels .* expected 4 × 4"):
        fit_image(image, height=4, width=4, resize="refuse", name="a.png")
    stretched = fit_image(image, height=4, width=5, resize="stretch", name="a.png")
    np.testing.assert_array_equal(stretched, np.full((4, 5, channels), 7))
    assert fit_image(image, height=6, width=8, resize="refuse", name="a.png") is image
