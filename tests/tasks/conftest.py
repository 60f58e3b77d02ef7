"""What the tests of reading and of prediction share: real images, and a folder of some."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import FIXTURE


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    """(100, 28, 28, 1) uint8, read only: real test images."""
    content = gzip.decompress((FIXTURE / "t10k-images-idx3-ubyte.gz").read_bytes())
    return np.frombuffer(content, np.uint8, offset=16).reshape(-1, 28, 28, 1)


@pytest.fixture
def pictures(tmp_path: Path, images: np.ndarray) -> Path:
    """A folder of three good pictures, in folders of their own."""
    folder = tmp_path / "pictures"
    (folder / "deeper").mkdir(parents=True)
    Image.fromarray(images[0, ..., 0]).save(folder / "a.png")
    Image.fromarray(images[1, ..., 0]).save(folder / "deeper" / "b.jpg")
    np.save(folder / "c.npy", images[2])
    return folder
