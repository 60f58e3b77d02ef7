"""Images of the data set as text that stands in a page."""

import base64
import io

import numpy as np
from PIL import Image

_MAX_SIDE = 64  # pixels; larger images are shown as thumbnails


def show_images(images: np.ndarray) -> str:
    """A data address of images side by side, (n, height, width, channels) uint8.

    Small images keep their pixels; larger ones become thumbnails.
    """
    thumbnails = [_thumbnail(image) for image in images]
    width, height = thumbnails[0].size
    strip = Image.new(thumbnails[0].mode, (width * len(thumbnails), height))
    for number, thumbnail in enumerate(thumbnails):
        strip.paste(thumbnail, (number * width, 0))
    output = io.BytesIO()
    if max(images.shape[1:3]) > _MAX_SIDE:
        strip.save(output, "JPEG", quality=80, optimize=True)
        kind = "jpeg"
    else:
        strip.save(output, "PNG", optimize=True)
        kind = "png"
    return f"data:image/{kind};base64," + base64.b64encode(output.getvalue()).decode()


def _thumbnail(image: np.ndarray) -> Image.Image:
    pixels = image[..., 0] if image.shape[-1] == 1 else image
    thumbnail = Image.fromarray(np.ascontiguousarray(pixels))
    thumbnail.thumbnail((_MAX_SIDE, _MAX_SIDE), Image.Resampling.LANCZOS)
    return thumbnail


def can_show(images: np.ndarray) -> bool:
    """Whether an array holds what `show_images` takes: data that was refused may be anything."""
    return images.dtype == np.uint8 and images.ndim == 4 and images.shape[-1] in (1, 3)
