"""An image file as the pipeline wants it: what the sources of files share."""

from pathlib import Path

import numpy as np

from tasks.core.parameters import DataParameters
from tasks.images.decode import Resize, fit_image, read_image


def load_file(path: Path, *, data: DataParameters, resize: Resize) -> np.ndarray:
    """Reads (height, width, channels) uint8, as params.yaml says.

    Raises:
        InputError: the file isn't such an image.

    """
    image = read_image(path, channels=data.channels)
    return fit_image(image, height=data.height, width=data.width, resize=resize, name=str(path))
