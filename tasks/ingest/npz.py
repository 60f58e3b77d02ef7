"""Source npz: one file with the names of MedMNIST, or with those of Keras' data sets.

`train_images` and `train_labels`, `test_*` or a choice by content in their place, `val_*` or not
(Keras: `x_train`, `y_train`, `x_test`, `y_test`);
grey images (n, height, width) or (n, height, width, 1), colour (n, height, width, 3), uint8; labels
(n,) or (n, 1), whole numbers.

Sources: https://github.com/MedMNIST/MedMNIST; keras.datasets.mnist.
"""

import math
from itertools import chain
from pathlib import Path

import numpy as np

from tasks.core.parameters import DataParameters
from tasks.images.arrays import Array, list_npz
from tasks.ingest.parameters import NpzParameters
from tasks.ingest.source import Part, Source, publish
from tasks.runner.errors import InputError

# Tens of millions of labels; what unpacks to more is no list of labels, and isn't unpacked.
_MAX_LABEL_BYTES = 2**28
_IMAGES_AT_ONCE, _LABELS_AT_ONCE = 64, 2**16
_PARTS = ("train", "val", "test")
_KERAS_NAMES = {
    f"{letter}_{part}": f"{part}_{kind}"
    for letter, kind in (("x", "images"), ("y", "labels"))
    for part in _PARTS
}


def read_npz(source: NpzParameters, data: DataParameters) -> Source:
    """Reads the file a few images at a time; nothing is unpacked to disk."""
    return publish(read_parts(Path(source.path)), source, data)


def read_parts(path: Path) -> list[Part]:
    """What a file holds; a file of another layout is refused."""
    arrays = list_npz(path)
    if "train_images" not in arrays:
        arrays = {_KERAS_NAMES.get(name, name): opened for name, opened in arrays.items()}
    parts = [part for part in _PARTS if f"{part}_images" in arrays]
    wanted = [f"{part}_{kind}" for part in ["train", *parts] for kind in ("images", "labels")]
    missing = [name for name in wanted if name not in arrays]
    if missing:
        raise InputError(
            f"{path} holds {', '.join(arrays) or 'nothing'}; missing: {missing[0]}. Expected"
            " the names of MedMNIST (train_images, train_labels, and val_* and test_* where there"
            " are) or of Keras (x_train, y_train, x_test, y_test). Save it under these names"
        )
    return [
        _read_part(part, arrays[f"{part}_images"](), arrays[f"{part}_labels"]()) for part in parts
    ]


def _read_part(name: str, images: Array, labels: Array) -> Part:
    shape = images.shape if len(images.shape) == 4 else (*images.shape, 1)
    if images.dtype != np.uint8 or len(shape) != 4 or shape[3] not in (1, 3):
        raise InputError(
            f"{images.name} has the shape {images.shape} and the type {images.dtype}; expected"
            " uint8, (n, height, width) or (n, height, width, 1 or 3)"
        )
    num_bytes = math.prod(labels.shape) * labels.dtype.itemsize
    if num_bytes > _MAX_LABEL_BYTES:
        raise InputError(
            f"{labels.name} asks for {num_bytes:,} bytes; expected {_MAX_LABEL_BYTES:,} at most"
        )
    if labels.dtype.kind not in "iu" or labels.shape[1:] not in ((), (1,)) or not labels.shape:
        raise InputError(
            f"{labels.name} has the shape {labels.shape} and the type {labels.dtype}; expected one"
            " whole number per image"
        )
    rows = [part.ravel().astype(np.int64) for part in labels.rows(_LABELS_AT_ONCE)]
    return Part(
        name,
        shape,
        chain.from_iterable(images._replace(shape=shape).rows(_IMAGES_AT_ONCE)),
        np.concatenate([np.empty(0, np.int64), *rows]),
    )
