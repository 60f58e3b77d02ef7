"""Small sources of each format, and what ingest makes of them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import TypeAdapter

from tasks.core.dataset import ImageSplit, SplitName, load_split
from tasks.core.parameters import DataParameters
from tasks.ingest.parameters import IngestParameters
from tasks.ingest.stage import read_source, write_splits

CLASSES = ("cat", "dog", "eel")
CHOICE = {"test_share": 0.25, "test_seed": 1}
FILES = CHOICE | {"size": "refuse", "background": None, "white": None, "max_faulty_share": 0.0}

Splits = dict[SplitName, ImageSplit]
Ingest = Callable[..., Splits]


def make_data(**changes: object) -> DataParameters:
    values = {"name": "animals", "classes": CLASSES, "height": 4, "width": 5, "channels": 1}
    return DataParameters.model_validate(
        values | {"train_images": None, "test_images": None} | changes
    )


def make_pixels(number: int, *, seed: int = 0, channels: int = 1) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (number, 4, 5, channels), dtype=np.uint8)


def save_image(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(path)


def save_classes(folder: Path, *, per_class: int = 16, seed: int = 0, channels: int = 1) -> None:
    """A folder of PNG files for each class."""
    for label, name in enumerate(CLASSES):
        pixels = make_pixels(per_class, seed=100 * seed + label, channels=channels)
        for number, image in enumerate(pixels):
            save_image(folder / name / f"{seed}-{number}.png", image)


@pytest.fixture
def ingest(tmp_path: Path) -> Ingest:
    """Ingests a source, given by its parameters, and loads what was written."""
    numbers = iter(range(99))

    def run(parameters: dict, **changes: object) -> Splits:
        data = make_data(**changes)
        source = read_source(TypeAdapter(IngestParameters).validate_python(parameters), data)
        folder = tmp_path / f"raw-{next(numbers)}"
        write_splits(source, folder, data=data)
        assert {path.name for path in folder.iterdir()} == {
            "manifest.json",
            *(f"{name}_{part}.npy" for name in ("train", "test") for part in ("images", "labels")),
        }
        return {"train": load_split("train", folder), "test": load_split("test", folder)}

    return run


def as_sets(splits: Splits) -> dict[str, set[tuple[bytes, int]]]:
    """The images and labels of each split, whatever their order."""
    return {
        name: {
            (image.tobytes(), int(label))
            for image, label in zip(split.images, split.labels, strict=True)
        }
        for name, split in splits.items()
    }


def assert_equal(first: Splits, second: Splits) -> None:
    for name, split in first.items():
        np.testing.assert_array_equal(split.images, second[name].images)
        np.testing.assert_array_equal(split.labels, second[name].labels)
