"""From a source to the images of the two splits: read one by one, checked, put in order.

The pixels go to a file as they come, so that memory holds a few numbers per image at any time.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.core.choice import hold_out, rank_by_content
from tasks.core.dataset import ImageSplit, Selection, SplitName
from tasks.core.parameters import DataParameters
from tasks.ingest.source import Source
from tasks.runner.errors import InputError

_DIGEST_BYTES = 16
_PROGRESS_STEP = 20_000
_SHOWN = 10


@dataclass(frozen=True)
class Collection:
    """What a source gave, in its order.

    Attributes:
        names: of the images that could be read.
        whole: their pixels, mapped into memory, and their labels.
        is_test: (n,) bool.
        contents: (n, 2) uint64, a hash of the pixels.
        faults: one line for each image that couldn't be read.

    """

    names: list[str]
    whole: ImageSplit
    is_test: np.ndarray
    contents: np.ndarray
    faults: list[str]


def collect(source: Source, *, data: DataParameters, spool: Path) -> Collection:
    """Reads every image of a source.

    Args:
        source: is read to its end.
        data: what the images and labels must be.
        spool: a file for the pixels, that must outlive the result.

    Raises:
        InputError: there are no images, or labels outside the classes.

    """
    shape = (data.height, data.width, data.channels)
    names: list[str] = []
    faults: list[str] = []
    labels: list[int] = []
    is_test: list[bool] = []
    digests = bytearray()
    with spool.open("wb") as file:
        for entry in source.entries:
            try:
                pixels = _load(entry.load(), shape=shape, name=entry.name)
            except InputError as error:
                faults.append(str(error))
                continue
            file.write(pixels)
            digests += hashlib.blake2b(pixels, digest_size=_DIGEST_BYTES).digest()
            names.append(entry.name)
            labels.append(entry.label)
            is_test.append(entry.split == "test")
            if len(names) % _PROGRESS_STEP == 0:
                print(f"read {len(names):,} images", flush=True)
    _check_labels(labels, data.classes)
    _check_faults(faults, source=source, num_images=len(names) + len(faults))
    if not names:
        raise InputError("There are no images at ingest.path of params.yaml")
    images = np.memmap(spool, np.uint8, "r", shape=(len(names), *shape))
    return Collection(
        names=names,
        whole=ImageSplit(images, np.array(labels, np.uint8)),
        is_test=np.array(is_test),
        contents=np.frombuffer(bytes(digests), np.uint64).reshape(-1, 2),
        faults=faults,
    )


def arrange(
    collection: Collection, source: Source, *, classes: tuple[str, ...]
) -> tuple[dict[SplitName, Selection], list[str]]:
    """Chooses the images of each split and their order.

    Unless the source's order is kept, the order is that of the hashes of the pixels; and an image
    that has two labels is left out, because one of them is wrong.

    Returns:
        The splits, and one line for each image that was left out, in plain UTF-8.

    """
    labels = collection.whole.labels
    if source.published:
        order = np.arange(len(labels))
        faults = collection.faults
    else:
        order = np.lexsort((labels, *collection.contents.T))
        contradictions = _find_contradictions(collection, order, classes)
        faults = [*collection.faults, *contradictions.values()]
        _check_faults(
            faults, source=source, num_images=len(collection.names) + len(collection.faults)
        )
        order = order[~np.isin(order, list(contradictions))]
    is_test = collection.is_test[order]
    if source.test_choice and not is_test.any():
        contents = [content.tobytes() for content in collection.contents[order]]
        is_test = hold_out(
            rank_by_content(contents, seed=source.test_choice.seed, purpose=b"test"),
            labels[order],
            share=source.test_choice.share,
            classes=classes,
            uses=("train", "validate", "test"),
        )
    return {
        "train": Selection(collection.whole, order[~is_test]),
        "test": Selection(collection.whole, order[is_test]),
    }, [line.encode("utf-8", "backslashreplace").decode("utf-8") for line in faults]


def _load(image: np.ndarray, *, shape: tuple[int, int, int], name: str) -> bytes:
    if image.shape != shape or image.dtype != np.uint8:
        raise InputError(
            f"{name} has the shape {image.shape} and the type {image.dtype}; expected {shape} of"
            " uint8"
        )
    return image.tobytes()


def _check_labels(labels: list[int], classes: tuple[str, ...]) -> None:
    wrong = Counter(label for label in labels if not 0 <= label < len(classes))
    if wrong:
        shown = ", ".join(f"{label} ({count:,})" for label, count in wrong.most_common(_SHOWN))
        raise InputError(
            f"{wrong.total():,} images have labels outside 0 to {len(classes) - 1}, the positions"
            f" in data.classes of params.yaml: {shown}"
        )


def _check_faults(faults: list[str], *, source: Source, num_images: int) -> None:
    if len(faults) <= source.max_faulty_share * num_images:
        return
    allowed = f"allowed are {source.max_faulty_share:.1%}"
    lines = [f"{len(faults):,} of {num_images:,} images can't be used; {allowed}:"]
    lines += faults[:_SHOWN]
    if len(faults) > _SHOWN:
        lines.append(f"and {len(faults) - _SHOWN:,} more")
    if not source.published:
        lines.append("Mend or remove them, or raise ingest.max_faulty_share in params.yaml")
    raise InputError("\n".join(lines))


def _find_contradictions(
    collection: Collection, order: np.ndarray, classes: tuple[str, ...]
) -> dict[int, str]:
    """The positions of images whose pixels stand under several labels, with a line for each.

    In `order`, equal images follow each other, by label.
    """
    contents = collection.contents[order]
    labels = collection.whole.labels[order]
    is_new = np.append(True, (contents[1:] != contents[:-1]).any(axis=1))
    group = is_new.cumsum() - 1
    firsts = np.flatnonzero(is_new)[group]
    lasts = np.append(np.flatnonzero(is_new)[1:], len(order))[group] - 1
    lines = {}
    for place in np.flatnonzero(labels[firsts] != labels[lasts]):
        differs = labels[firsts[place]] != labels[place]
        other = firsts[place] if differs else lasts[place]
        lines[int(order[place])] = (
            f"{collection.names[order[place]]} ({classes[labels[place]]}) holds the same image as"
            f" {collection.names[order[other]]} ({classes[labels[other]]})"
        )
    return lines
