"""One PNG or JPEG file as an array, if nothing of it is lost: the same for training and serving."""

import io
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from tasks.runner.errors import InputError

# What is larger isn't one of many small images, and is refused before it is unpacked.
MAX_PIXELS = 2**24
MAX_FILE_BYTES = 2**26

Resize = Literal["refuse", "stretch"]

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_BIT_DEPTH = 24
_EIGHT_BITS = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa")


def read_image(path: Path, *, channels: int) -> np.ndarray:
    """Reads an image file; see `decode_image`."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path} is no file")  # a pipe would be waited for forever
        if status.st_size > MAX_FILE_BYTES:
            raise InputError(f"{path} is larger than {MAX_FILE_BYTES:,} bytes")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}") from None
    return decode_image(content, name=str(path), channels=channels)


def decode_image(content: bytes, *, name: str, channels: int) -> np.ndarray:
    """Decodes a PNG or JPEG file, upright as its EXIF data say.

    Whatever would lose something is refused: 16 bits per channel, transparency, colour where grey
    is expected, more than one frame. Grey becomes colour with three equal channels.

    Args:
        content: the bytes of the file.
        name: of the file, for messages.
        channels: 1 (grey) or 3 (red, green, blue).

    Returns:
        (height, width, channels) uint8 in 0..255.

    Raises:
        InputError: the bytes aren't such an image.

    """
    image = _open(content, name)
    colours = _without_alpha(image, name)
    if colours.mode == "L":
        pixels = np.asarray(colours)[..., None]
        return np.repeat(pixels, channels, axis=2)
    pixels = np.asarray(colours)
    if channels == 3:
        return pixels
    if (pixels != pixels[..., :1]).any():
        raise InputError(f"{name} is in colour; data.channels 1 in params.yaml expects grey")
    return pixels[..., :1]


def fit_image(
    image: np.ndarray, *, height: int, width: int, resize: Resize, name: str
) -> np.ndarray:
    """Gives an image the expected size.

    Args:
        image: (any height, any width, channels) uint8.
        height: expected, in pixels.
        width: expected, in pixels.
        resize: refuse another size, or stretch the image without regard to its proportions.
        name: of the image, for messages.

    Returns:
        (height, width, channels) uint8.

    """
    if image.shape[:2] == (height, width):
        return image
    if resize == "refuse":
        raise InputError(
            f"{name} has {image.shape[0]} × {image.shape[1]} pixels (height × width); expected"
            f" {height} × {width}"
        )
    source = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    resized = source.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized).reshape(height, width, image.shape[2])


def _open(content: bytes, name: str) -> Image.Image:
    depth = content[_PNG_BIT_DEPTH : _PNG_BIT_DEPTH + 1]
    if content.startswith(_PNG_SIGNATURE) and depth == b"\x10":
        # Pillow would cut colour images of that kind down to 8 bits without a word.
        raise InputError(f"{name} has 16 bits per channel; expected 8")
    with _naming(name):
        # Only this looks at a PNG's checksums; the image can't be used afterwards.
        Image.open(io.BytesIO(content), formats=("PNG", "JPEG")).verify()
        image = Image.open(io.BytesIO(content), formats=("PNG", "JPEG"))
    _check_header(image, name)
    with _naming(name):
        image.load()
        return ImageOps.exif_transpose(image)


def _check_header(image: Image.Image, name: str) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise InputError(f"{name} has more than {MAX_PIXELS:,} pixels")
    num_frames = getattr(image, "n_frames", 1)
    if num_frames > 1:
        raise InputError(f"{name} holds {num_frames} frames; expected 1")
    if image.mode not in _EIGHT_BITS:
        raise InputError(
            f"{name} has pixels of the kind {image.mode}; expected grey or RGB in 8 bits"
        )


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Turns whatever Pillow's readers raise into one line that names the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise InputError(f"{name} has more than {MAX_PIXELS:,} pixels") from None
    except Image.UnidentifiedImageError:
        raise InputError(f"{name} is neither a PNG nor a JPEG file") from None
    except Exception as error:  # noqa: BLE001 - broken bytes cause errors of every kind
        raise InputError(f"{name} is damaged: {error}") from None


def _without_alpha(image: Image.Image, name: str) -> Image.Image:
    """The image in the mode L or RGB."""
    if image.has_transparency_data:
        image = image.convert("RGBA")
        lowest, _ = image.getchannel("A").getextrema()
        if lowest != 255:
            raise InputError(f"{name} is transparent in places; put it on a background first")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")
