"""Source npz: one file with the names of MedMNIST, or with those of Keras' data sets.

`train_images` and `train_labels`, `test_*` or a choice by content in their place, `val_*` or not
(Keras: `x_train`, `y_train`, `x_test`, `y_test`); parts may have any of their names;
grey images (n, height, width) or (n, height, width, 1), colour (n, height, width, 3), uint8; labels
(n,) or (n, 1), whole numbers.

Sources: https://github.com/MedMNIST/MedMNIST; keras.datasets.mnist.
"""

import math
import re
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from tasks.core.parameters import DataParameters
from tasks.images.arrays import Array, list_npz
from tasks.images.errors import Tally
from tasks.ingest.parameters import NpzParameters
from tasks.ingest.source import PARTS, Part, Source, publish
from tasks.runner.errors import InputError

# Tens of millions of labels; what unpacks to more is no list of labels, and isn't unpacked.
_MAX_LABEL_BYTES = 2**28
_IMAGES_AT_ONCE, _LABELS_AT_ONCE = 64, 2**16
_KINDS = ("images", "labels")
_KERAS = {"x": "images", "y": "labels"}
# `test_x`, `x_test_2`, `xTest`, `testset`: what may be images of a part isn't left aside.
_WORD_OF_PART = re.compile(
    rf"(?<![a-z])[xy]?({'|'.join(PARTS)})(set|data|images?|labels?|[xy])?(?![a-z])"
)
_EXPECTED = (
    "Expected the names of MedMNIST (train_images, train_labels, and val_* and test_* where there"
    f" are) or of Keras (x_train, y_train, x_test, y_test); a part may be called"
    f" {', '.join(PARTS)}. Save it under these names"
)


def read_npz(source: NpzParameters, data: DataParameters) -> Source:
    """Reads the file a few images at a time; nothing is unpacked to disk."""
    parts, aside = read_parts(Path(source.path))
    return replace(publish(parts, source, data), aside=aside)


def read_parts(path: Path) -> tuple[list[Part], Tally]:
    """What a file holds, and the arrays that aren't read; a file of another layout is refused."""
    arrays = list_npz(path)
    named: dict[tuple[str, str], str] = {}
    aside = Tally()
    for name in arrays:
        key = _part_and_kind(name)
        if key is None and _WORD_OF_PART.search(name.lower()):
            raise InputError(
                f"{path} holds {name}, which has a part in its name but isn't read. {_EXPECTED}, or"
                " leave it out"
            )
        if key is None:
            aside.add("an array of another name", name)
        elif named.setdefault(key, name) != name:
            raise InputError(
                f"{path} holds {named[key]} and {name}, both {' '.join(key)}; expected one of them."
                " Leave the other out"
            )
    parts = [part for part in PARTS if {(part, kind) for kind in _KINDS} & named.keys()]
    if "training" not in parts:
        parts = sorted({*parts, "train"}, key=list(PARTS).index)
    missing = [(part, kind) for part in parts for kind in _KINDS if (part, kind) not in named]
    if missing:
        raise InputError(
            f"{path} holds {', '.join(arrays) or 'nothing'}; missing: {'_'.join(missing[0])}."
            f" {_EXPECTED}"
        )
    opened = [[arrays[named[part, kind]]() for kind in _KINDS] for part in parts]
    return [_read_part(part, *pair) for part, pair in zip(parts, opened, strict=True)], aside


def _part_and_kind(name: str) -> tuple[str, str] | None:
    """What an array is by its name: `val_images` and Keras' `x_val` are the images of val."""
    first, _, second = name.lower().partition("_")
    part, kind = (second, _KERAS[first]) if first in _KERAS else (first, second)
    return (part, kind) if part in PARTS and kind in _KINDS else None


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
