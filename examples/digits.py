"""Writes scikit-learn's handwritten digits as a folder of PNG files for each class.

    python -m examples.digits FOLDER

1,797 grey images of 8 × 8 pixels. They stand for a folder of your own.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

# The package stores how many of 16 dots are inked.
_LEVELS = 16


def main() -> None:
    """Writes the folder that the command line names."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m examples.digits FOLDER")
    number = write_digits(Path(sys.argv[1]))
    print(f"{number:,} images in {sys.argv[1]}")


def write_digits(folder: Path) -> int:
    """Writes FOLDER/DIGIT/NUMBER.png; gives the number of images."""
    dots, labels = map(np.asarray, load_digits(return_X_y=True))
    pixels = np.rint(dots.reshape(-1, 8, 8) * (255 / _LEVELS)).astype(np.uint8)
    for number, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        path = folder / str(label) / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return len(pixels)


if __name__ == "__main__":
    main()
