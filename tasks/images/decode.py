"""One image file as an array, if nothing of it is lost: the same for training and serving.

What a file is, its bytes say, not its name.
"""

import io
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps

from tasks.images.errors import ImageError
from tasks.images.policy import ImagePolicy, PicturePolicy

# What is larger isn't one of many small images, and is refused before it is unpacked.
MAX_PIXELS = 2**24

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
READ = "PNG, JPEG, MPO, WebP, BMP, TIFF or GIF file"

_PNG = b"\x89PNG\r\n\x1a\n"
_BEGINNINGS = (_PNG, b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*", b"GIF87a", b"GIF89a")
# Where other files that people take for images have bytes of their own.
_NOT_READ = (
    (4, (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypavif"), "HEIC or AVIF"),
    (0, (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"), "JPEG 2000"),
    (0, (b"<svg", b"<?xml", b"<html", b"<!DOCTYPE", b"<!doctype"), "SVG or HTML"),
    (0, (b"%PDF",), "PDF"),
    (128, (b"DICM",), "DICOM"),
)
# Ancillary chunks of a PNG file, which Pillow unpacks and nobody here reads.
_UNREAD_CHUNKS = (b"iCCP", b"zTXt", b"iTXt", b"tEXt")
_EIGHT_BITS = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa")
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262
_DEEP_COLOUR = re.compile(rb"\x10[^\0]", re.DOTALL)  # bits and kind in the header of a PNG file
_KINDS = "; expected grey or red, green and blue in 8 bits, or grey in 16"


def is_picture(content: bytes) -> bool:
    """Whether bytes begin like an image file of a kind that is read."""
    is_webp = content[:4] == b"RIFF" and content[8:12] == b"WEBP"
    return is_webp or content.startswith(_BEGINNINGS)


def decode_image(content: bytes, *, name: str, policy: ImagePolicy) -> np.ndarray:
    """(height, width, channels) uint8 of an image file, as a policy says; or an ImageError."""
    pixels = decode_whole(content, name=name, channels=policy.channels, policy=policy)
    return fit_image(pixels, name=name, policy=policy)


def decode_whole(content: bytes, *, name: str, channels: int, policy: PicturePolicy) -> np.ndarray:
    """Decodes an image file in its own size, upright as its EXIF data say.

    Whatever would lose something is refused: colour where grey is expected, colour in 16 bits,
    the inks of a printer, more than one frame. Grey becomes colour with three equal channels. Of
    an MPO file, as telephones make them, the first picture is read. Of the policy, all but the size
    counts; the result is (height, width, channels) uint8 in 0..255.
    """
    image = _without_alpha(_open(content, name, policy.white), name, policy.background)
    pixels = np.asarray(image)
    if pixels.ndim == 2:
        return np.repeat(pixels[..., None], channels, axis=2)
    if channels == 3:
        return pixels
    if (pixels != pixels[..., :1]).any():
        raise ImageError(name, "is in colour", "; data.channels 1 in params.yaml expects grey")
    return pixels[..., :1]


def fit_image(image: np.ndarray, *, name: str, policy: ImagePolicy) -> np.ndarray:
    """Gives an image, (any height, any width, channels) uint8, the size of a policy."""
    size = policy.width, policy.height
    if image.shape[:2] == (policy.height, policy.width):
        return image
    if policy.size == "refuse":
        raise ImageError(
            name,
            "has another size",
            f": {image.shape[0]} × {image.shape[1]} pixels (height × width); expected"
            f" {policy.height} × {policy.width}",
        )
    picture = Image.fromarray(image[..., 0] if policy.channels == 1 else image)
    if policy.size == "stretch":
        fitted = picture.resize(size, Image.Resampling.BILINEAR)
    elif policy.size == "crop":
        fitted = ImageOps.fit(picture, size, Image.Resampling.BILINEAR)
    else:
        fitted = _pad(picture, policy)
    return np.asarray(fitted).reshape(policy.shape)


def _open(content: bytes, name: str, white: int | None) -> Image.Image:
    """The file's only picture, in eight bits, with its transparency."""
    if not is_picture(content):
        raise ImageError(name, f"is no {READ}{_describe_other(content)}")
    if content.startswith(_PNG):
        content = _checked_png(content, name)
    with _naming(name):
        Image.MAX_IMAGE_PIXELS = None  # a limit of Pillow's that is higher than ours, and warns
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    if image.width * image.height > MAX_PIXELS:
        size = f": {image.height:,} × {image.width:,}"
        raise ImageError(name, f"has more than {MAX_PIXELS:,} pixels", size)
    with _naming(name):
        num_frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    if num_frames > 1:
        raise ImageError(name, "holds more than one frame", f": {num_frames}; expected 1")
    _check_kind(image, name)
    with _naming(name):
        image.load()
        image = ImageOps.exif_transpose(image)
    return image if image.mode in _EIGHT_BITS else _scale_grey(image, name, white)


def _check_kind(image: Image.Image, name: str) -> None:
    """Refuses inks, floats, and colour in 16 bits, which Pillow would cut to 8 without a word."""
    tags = getattr(image, "tag_v2", {})  # of a TIFF file
    bits = int(np.max(tags.get(_BITS_PER_SAMPLE, 8)))
    is_deep_grey = image.mode in _SIXTEEN_BITS and tags.get(_PHOTOMETRIC, 1) == 1
    if is_deep_grey and not image.has_transparency_data:
        return
    if image.mode not in _EIGHT_BITS or bits > 8:
        deep = f" in {bits} bits" if bits > 8 else ""
        raise ImageError(name, f"has pixels of the kind {image.mode}{deep}", _KINDS)


def _scale_grey(image: Image.Image, name: str, white: int | None) -> Image.Image:
    if white is None:
        raise ImageError(
            name,
            "has 16 bits per channel",
            "; expected 8, or ingest.white in params.yaml: the value that becomes 255",
        )
    pixels = np.asarray(image).astype(np.uint32)
    highest = int(pixels.max(initial=0))
    if highest > white:
        raise ImageError(
            name, "is brighter than ingest.white", f": {highest:,}; params.yaml says {white:,}"
        )
    return Image.fromarray(((pixels * 255 + white // 2) // white).astype(np.uint8))


def _without_alpha(
    image: Image.Image, name: str, background: tuple[int, ...] | None
) -> Image.Image:
    """The image in the mode L or RGB."""
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema()[0] != 255:
            if background is None:
                raise ImageError(
                    name,
                    "is transparent in places",
                    "; set ingest.background in params.yaml, such as [255, 255, 255] for white",
                )
            below = Image.new("RGBA", image.size, (*_levels(background, 3), 255))
            image = Image.alpha_composite(below, image)
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _pad(picture: Image.Image, policy: ImagePolicy) -> Image.Image:
    """Scales a picture until it fits, and puts it onto the middle of the background."""
    scale = min(policy.width / picture.width, policy.height / picture.height)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    colour = _levels(policy.background or (0,), policy.channels)
    whole = Image.new(picture.mode, (policy.width, policy.height), colour)
    place = (policy.width - width) // 2, (policy.height - height) // 2
    whole.paste(picture.resize((width, height), Image.Resampling.BILINEAR), place)
    return whole


def _levels(background: tuple[int, ...], channels: int) -> tuple[int, ...]:
    return background * channels if len(background) == 1 else background


def _checked_png(content: bytes, name: str) -> bytes:
    """A PNG file whose checksums are right, without chunks that aren't read, such as profiles."""
    kept = [_PNG]
    place = len(_PNG)
    while True:
        length, kind = struct.unpack(">I4s", content[place : place + 8].ljust(8, b"\0"))
        end = place + 12 + length
        if end > len(content):
            raise ImageError(name, "is damaged", ": it is cut off")
        (expected,) = struct.unpack(">I", content[end - 4 : end])
        if zlib.crc32(content[place + 4 : end - 4]) != expected:
            raise ImageError(name, "is damaged", f": the checksum of {kind!r} is wrong")
        if kind == b"IHDR" and _DEEP_COLOUR.match(content, place + 16):
            raise ImageError(name, "has pixels of the kind RGB in 16 bits", _KINDS)
        if kind not in _UNREAD_CHUNKS:
            kept.append(content[place:end])
        if kind == b"IEND":
            return b"".join(kept)
        place = end


def _describe_other(content: bytes) -> str:
    for offset, beginnings, kind in _NOT_READ:
        if content[offset:].startswith(beginnings):
            return f", but {kind}"
    return "" if content else ", but empty"


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Turns whatever Pillow's readers raise into one line that names the file."""
    try:
        yield
    except Image.UnidentifiedImageError:
        raise ImageError(name, "is damaged", ": its header can't be read") from None
    except Exception as error:  # noqa: BLE001 - broken bytes cause errors of every kind
        raise ImageError(name, "is damaged", f": {error}") from None
