"""An image file is decoded without loss, or refused in one line that names it."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tasks.images.decode import decode_image, decode_whole, fit_image
from tasks.images.files import MAX_FILE_BYTES, read_file
from tasks.images.policy import ImagePolicy, PicturePolicy
from tasks.runner.errors import InputError

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8)
COLOUR = np.arange(144, dtype=np.uint8).reshape(6, 8, 3)


def encode(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def decode(
    content: bytes,
    channels: int = 3,
    *,
    background: tuple[int, ...] | None = None,
    white: int | None = None,
) -> np.ndarray:
    policy = PicturePolicy(size="refuse", background=background, white=white)
    return decode_whole(content, name="a.png", channels=channels, policy=policy)


def policy(height: int, width: int, channels: int = 3, **changes: Any) -> ImagePolicy:
    return ImagePolicy.model_validate(
        {"height": height, "width": width, "channels": channels}
        | {"size": "refuse", "background": None, "white": None}
        | changes
    )


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


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_of_grey_are_scaled_as_is_stated_or_refused(kind: str, channels: int) -> None:
    deep = GREY.astype(np.uint16) * 85
    content = encode(Image.fromarray(deep), kind)
    with pytest.raises(InputError, match="16 bits per channel; expected 8"):
        decode(content, channels)
    for white in (4095, 65535):
        expected = np.round(deep * (255 / white)).astype(np.uint8)
        pixels = decode(content, channels, white=white)
        np.testing.assert_array_equal(pixels, np.repeat(expected[..., None], channels, axis=2))
    with pytest.raises(InputError, match=r"brighter than ingest\.white: 3,995"):
        decode(content, channels, white=3994)


def test_sixteen_bits_of_colour_are_refused() -> None:
    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    png = (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(bytes(7)))
        + png_chunk(b"IEND", b"")
    )
    for content in (png, make_deep_tiff()):
        with pytest.raises(InputError, match="pixels of the kind RGB in 16 bits"):
            decode(content, white=65535)


def make_deep_tiff() -> bytes:
    """One pixel of red, green and blue, in 16 bits each, which Pillow reads as 8."""
    tags = [(256, 3, 1, 1), (257, 3, 1, 1), (258, 3, 3, 8 + 2 + 8 * 12 + 4), (259, 3, 1, 1)]
    tags += [(262, 3, 1, 2), (273, 4, 1, 8 + 2 + 8 * 12 + 4 + 6), (277, 3, 1, 3), (279, 4, 1, 6)]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + entries + bytes(4)
    return head + struct.pack("<HHH", 16, 16, 16) + struct.pack("<HHH", 1, 2, 3)


def test_a_sixteen_bit_tiff_in_which_white_is_zero_is_refused() -> None:
    """Pillow would read it inverted."""
    content = encode(Image.fromarray(GREY.astype(np.uint16)), "TIFF", tiffinfo={262: 0})
    with pytest.raises(InputError, match="pixels of the kind I;16"):
        decode(content, white=65535)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "GIF"])
def test_every_lossless_kind_gives_the_same_pixels(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    np.testing.assert_array_equal(
        decode(encode(Image.fromarray(GREY), kind, **options), 1)[..., 0], GREY
    )
    if kind != "GIF":
        np.testing.assert_array_equal(
            decode(encode(Image.fromarray(COLOUR), kind, **options)), COLOUR
        )


def test_of_a_telephones_file_the_first_picture_is_read() -> None:
    first, second = Image.fromarray(COLOUR), Image.fromarray(COLOUR[::-1]).resize((4, 3))
    content = encode(first, "MPO", save_all=True, append_images=[second])
    np.testing.assert_array_equal(decode(content), decode(encode(first, "JPEG")))


def test_a_large_colour_profile_hides_no_image() -> None:
    profile = np.random.default_rng(0).integers(0, 256, 1024, np.uint8).tobytes() * 2000
    for kind in ("PNG", "JPEG", "TIFF"):
        content = encode(Image.fromarray(GREY), kind, icc_profile=profile)
        assert decode(content, 1).shape == (6, 8, 1)


def test_transparency_lies_on_the_background_that_is_stated() -> None:
    image = Image.new("RGBA", (2, 1), (10, 20, 30, 255))
    image.putpixel((0, 0), (200, 100, 0, 0))
    content = encode(image)
    pixels = decode(content, background=(255, 254, 253))
    assert pixels.tolist() == [[[255, 254, 253], [10, 20, 30]]]
    grey = Image.new("LA", (2, 1), (9, 255))
    grey.putpixel((1, 0), (0, 51))
    assert decode(encode(grey), 1, background=(250,))[..., 0].tolist() == [[9, 200]]


def test_a_printers_jpeg_is_refused() -> None:
    content = encode(Image.fromarray(COLOUR).convert("CMYK"), "JPEG")
    with pytest.raises(InputError, match="pixels of the kind CMYK"):
        decode(content)


def test_an_animation_is_refused() -> None:
    first, second = Image.fromarray(GREY), Image.fromarray(GREY[::-1])
    for kind in ("PNG", "GIF", "WEBP", "TIFF"):
        with pytest.raises(InputError, match="more than one frame: 2"):
            decode(encode(first, kind, save_all=True, append_images=[second]))


def make_png_bomb(side: int) -> bytes:
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(b""))
        + png_chunk(b"IEND", b"")
    )


def make_webp_bomb() -> bytes:
    """A frame of 4 × 4 pixels in 16,383 × 16,383."""
    frame = encode(Image.new("RGBA", (4, 4)), "WEBP", lossless=True)[12:]
    canvas, corner = 2 * (16382).to_bytes(3, "little"), 2 * (3).to_bytes(3, "little")
    chunks = {b"VP8X": b"\x12\0\0\0" + canvas, b"ANIM": bytes(6)}
    chunks[b"ANMF"] = bytes(6) + corner + bytes(4) + frame
    body = b"".join(kind + struct.pack("<I", len(part)) + part for kind, part in chunks.items())
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


@pytest.mark.parametrize(
    "bomb",
    [
        *(make_png_bomb(side) for side in (5_000, 10_000, 100_000)),
        make_webp_bomb(),
        encode(Image.new("1", (5_000, 5_000)), "GIF"),
        encode(Image.new("1", (5_000, 5_000)), "TIFF", compression="group4"),
    ],
    ids=["png 5", "png 10", "png 100", "webp", "gif", "tiff"],
)
def test_an_image_that_would_fill_the_memory_is_refused_unopened(bomb: bytes) -> None:
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


@given(st.sampled_from(["PNG", "JPEG", "MPO", "WEBP", "BMP"]), st.data())
def test_a_truncated_file_is_refused(kind: str, data: st.DataObject) -> None:
    content = encode(Image.fromarray(COLOUR), kind)
    end = data.draw(st.integers(0, len(content) - 13))
    with pytest.raises(InputError, match=r"a\.png"):
        decode(content[:end])


@given(st.binary(max_size=99))
def test_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(InputError, match=r"a\.png is (no PNG, JPEG|damaged)"):
        decode(content)


@given(
    st.sampled_from(
        [encode(Image.fromarray(GREY), kind) for kind in ("TIFF", "GIF", "WEBP", "BMP")]
    ),
    st.data(),
)
def test_damaged_bytes_of_any_kind_end_in_one_line(content: bytes, data: st.DataObject) -> None:
    damaged = bytearray(content)
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=9)):
        damaged[place] = data.draw(st.integers(0, 255))
    try:
        pixels = decode(bytes(damaged), 3, white=65535, background=(0,))
    except InputError:
        return
    assert pixels.dtype == np.uint8
    assert pixels.shape[2] == 3


def test_a_missing_and_a_huge_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be read: No such file"):
        read_file(tmp_path / "a.png", name="a.png", follow_links=True)
    with (tmp_path / "b.png").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(InputError, match="larger than"):
        read_file(tmp_path / "b.png", name="b.png", follow_links=True)


def test_a_link_is_followed_only_where_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(Image.fromarray(COLOUR)))
    (tmp_path / "b.png").symlink_to("a.png")
    link = tmp_path / "b.png"
    content = read_file(link, name="b.png", follow_links=True)
    found = decode_image(content, name="b.png", policy=policy(6, 8))
    np.testing.assert_array_equal(found, COLOUR)
    with pytest.raises(InputError, match=r"b\.png is a link, which isn't followed"):
        read_file(link, name="b.png", follow_links=False)


# A frame of 7 around 9, in 4 × 8 pixels.
FRAMED = np.pad(np.full((2, 6), 9, np.uint8), 1, constant_values=7)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_size_is_refused_stretched_padded_or_cropped_as_the_policy_says(channels: int) -> None:
    image = np.repeat(FRAMED[..., None], channels, axis=2)
    with pytest.raises(
        InputError, match=r"a\.png has another size: 4 × 8 pixels .* expected 4 × 4"
    ):
        fit_image(image, name="a.png", policy=policy(4, 4, channels))

    def fitted(size: str, height: int, width: int) -> np.ndarray:
        wanted = policy(height, width, channels, size=size, background=(1,))
        return fit_image(image, name="a.png", policy=wanted)[..., 0]

    np.testing.assert_array_equal(fitted("crop", 4, 4), FRAMED[:, 2:6])
    np.testing.assert_array_equal(
        fitted("fit", 8, 8), np.pad(FRAMED, ((2, 2), (0, 0)), constant_values=1)
    )
    assert fitted("stretch", 5, 3).shape == (5, 3)
    for size in ("refuse", "stretch", "fit", "crop"):
        np.testing.assert_array_equal(fitted(size, 4, 8), FRAMED)


@given(
    st.sampled_from(["stretch", "fit", "crop"]),
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
def test_any_size_becomes_the_size_of_the_policy(
    size: str, found: tuple[int, int], wanted: tuple[int, int]
) -> None:
    image = np.full((*found, 1), 200, np.uint8)
    pixels = fit_image(image, name="a.png", policy=policy(*wanted, 1, size=size, background=(200,)))
    np.testing.assert_array_equal(pixels, np.full((*wanted, 1), 200))


@pytest.mark.parametrize(
    "changes",
    [
        {"size": "fit"},
        {"background": [255, 255]},
        {"background": [256]},
        {"white": 100},
        {"size": "scale"},
    ],
)
def test_an_impossible_policy_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        policy(4, 4, **changes)
