"""From a source to the images of the two splits: read one by one, checked, put in order.

The pixels go to a file as they come, so that memory holds a few numbers per image at any time.
"""

import hashlib
import math
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, tee
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tasks.core.choice import hold_out, rank_by_content
from tasks.core.dataset import ImageSplit, Selection, SplitName
from tasks.core.parameters import DataParameters
from tasks.images.decode import decode_image
from tasks.images.errors import ImageError, Tally
from tasks.images.policy import ImagePolicy
from tasks.ingest.source import Entry, Source
from tasks.runner.errors import InputError
from tasks.runner.parts import is_elsewhere, run_parts, split_items
from tasks.runner.progress import show_progress

_DIGEST_BYTES = 16
_PART_BYTES, _MOST = 2**23, 1_024  # of pixels, of images in a part
_SHOWN = 10


class Fault(NamedTuple):
    """The label of an image that can't be used, and why it can't."""

    label: int
    error: ImageError


@dataclass(frozen=True)
class Collection:
    """The n images that could be read, in the source's order, mapped into memory, and the others.

    `is_test` is (n,) bool, `contents` (n, 2) uint64, a hash of the pixels. `has_test` says whether
    the source has test images of its own, also if none can be used. Images that were published as a
    whole have no names.
    """

    names: list[str]
    whole: ImageSplit
    is_test: np.ndarray
    has_test: bool
    contents: np.ndarray
    faults: list[Fault]


def collect(source: Source, *, data: DataParameters, spool: Path) -> Collection:
    """Reads every image of a source, in parts, into a file that must outlive the result.

    Labels outside the classes, a class without images, and no images at all are refused.
    """
    policy = source.policy
    size = max(1, min(_MOST, _PART_BYTES // math.prod(policy.shape)))
    entries, given = tee(source.entries)
    # What a source holds in memory isn't sent to other machines.
    run = map if source.published else run_parts
    parts = run(partial(_load_part, policy=policy), split_items(given, size=size))
    parts = show_progress(parts, what="reading", total=source.num_images)
    names: list[str] = []
    labels, is_test, digests = array("q"), bytearray(), bytearray()
    faults: list[Fault] = []
    num_read_here = 0
    has_test = False
    with spool.open("wb") as file:
        for entry, loaded in zip(entries, chain.from_iterable(parts), strict=True):
            has_test |= entry.split == "test"
            if isinstance(loaded, ImageError) and is_elsewhere():
                # Another machine may not have the file, which is no fault of the image.
                loaded = _load(entry, policy)
                num_read_here += not isinstance(loaded, ImageError)
            if isinstance(loaded, ImageError):
                faults.append(Fault(entry.label, loaded))
                continue
            file.write(loaded)
            digests += hashlib.blake2b(loaded, digest_size=_DIGEST_BYTES).digest()
            labels.append(entry.label)
            is_test.append(entry.split == "test")
            if not source.published:  # of published images, none is ever named
                names.append(entry.name)
    if num_read_here:
        print(f"{num_read_here:,} images were read here: a worker can't read them", flush=True)
    _check_labels(chain(labels, (fault.label for fault in faults)), data.classes)
    _check_faults(faults, source=source, num_images=len(labels) + len(faults))
    if not labels and not faults:
        raise InputError("There are no images at ingest.path of params.yaml. Add some, or mend it")
    _check_classes(labels, faults, data.classes)
    images = np.memmap(spool, np.uint8, "r", shape=(len(labels), *policy.shape))
    return Collection(
        names=names,
        whole=ImageSplit(images, np.array(labels, np.uint8)),
        is_test=np.frombuffer(is_test, bool),
        has_test=has_test,
        contents=np.frombuffer(digests, np.uint64).reshape(-1, 2),
        faults=faults,
    )


def arrange(
    collection: Collection, source: Source, *, classes: tuple[str, ...]
) -> tuple[dict[SplitName, Selection], list[Fault]]:
    """Chooses the images of each split and their order.

    Unless the source's order is kept, the order is that of the hashes of the pixels; and an image
    that has two labels is left out, because one of them is wrong. All that is left out is given,
    too.
    """
    labels = collection.whole.labels
    faults = collection.faults
    if source.published:
        order = np.arange(len(labels))
    else:
        order = np.lexsort((labels, *collection.contents.T))
        contradictions = _find_contradictions(collection, order, classes)
        faults = [*faults, *contradictions.values()]
        num_images = len(labels) + len(collection.faults)
        _check_faults(faults, source=source, num_images=num_images)
        order = order[~np.isin(order, list(contradictions))]
        _check_classes(labels[order].tolist(), faults, classes)
    is_test = collection.is_test[order]
    if collection.has_test and not is_test.any():
        lines = ["None of the source's own test images can be used. Of all images, these can't:"]
        lines += tally(faults).describe()
        lines.append("Mend them; without such a part, test images are chosen from the others")
        raise InputError("\n".join(lines))
    if source.choice and not collection.has_test:
        contents = (collection.contents[row].tobytes() for row in order)
        is_test = hold_out(
            rank_by_content(contents, seed=source.choice.test_seed, purpose=b"test"),
            labels[order],
            share=source.choice.test_share,
            classes=classes,
            uses=("train", "validate", "test"),
        )
    return {
        "train": Selection(collection.whole, order[~is_test]),
        "test": Selection(collection.whole, order[is_test]),
    }, faults


def _load_part(part: Sequence[Entry], *, policy: ImagePolicy) -> list[bytes | ImageError]:
    return [_load(entry, policy) for entry in part]


def _load(entry: Entry, policy: ImagePolicy) -> bytes | ImageError:
    """The pixels, or why there are none."""
    try:
        image = entry.load()
        if isinstance(image, bytes):
            image = decode_image(image, name=entry.name, policy=policy)
    except ImageError as error:
        return error
    if image.shape != policy.shape or image.dtype != np.uint8:
        detail = f": {image.dtype} {image.shape}; expected uint8 {policy.shape}"
        return ImageError(entry.name, "has another shape or type", detail)
    return image.tobytes()


def _check_labels(labels: Iterable[int], classes: tuple[str, ...]) -> None:
    wrong = Counter(label for label in labels if not 0 <= label < len(classes))
    if wrong:
        shown = ", ".join(f"{label} ({count:,})" for label, count in wrong.most_common(_SHOWN))
        raise InputError(
            f"{wrong.total():,} images have labels outside 0 to {len(classes) - 1}, the positions"
            f" in data.classes of params.yaml: {shown}. Mend that, or ingest.first_label"
        )


def _check_faults(faults: list[Fault], *, source: Source, num_images: int) -> None:
    if len(faults) <= source.max_faulty_share * num_images:
        return
    allowed = f"allowed are {source.max_faulty_share:.1%}"
    lines = [f"{len(faults):,} of {num_images:,} images can't be used; {allowed}:"]
    lines += [str(fault.error) for fault in faults[:_SHOWN]]
    if len(faults) > _SHOWN:
        lines.append(f"and {len(faults) - _SHOWN:,} more. In all:")
        lines += tally(faults).describe()
    if not source.published:
        lines.append("Mend or remove them, or raise ingest.max_faulty_share in params.yaml")
    raise InputError("\n".join(lines))


def _check_classes(labels: Iterable[int], faults: list[Fault], classes: tuple[str, ...]) -> None:
    """Refuses a class without images, with all that is known of why it has none."""
    for label in sorted(set(range(len(classes))) - set(labels)):
        own = [fault for fault in faults if fault.label == label]
        lines = [f"Class {label} ({classes[label]}) has no image that can be used"]
        lines[0] += f"; {len(own):,} can't:" if own else ": no image has this label"
        lines += tally(own).describe()
        lines.append(
            "Mend or add images, or take the class out of the source, and of data.classes in"
            " params.yaml"
        )
        raise InputError("\n".join(lines))


def tally(faults: Sequence[Fault]) -> Tally:
    """Counts what is wrong with images by its kind."""
    return Tally((fault.error.kind, fault.error.name) for fault in faults)


def _find_contradictions(
    collection: Collection, order: np.ndarray, classes: tuple[str, ...]
) -> dict[int, Fault]:
    """The positions of images whose pixels stand under several labels, with a fault for each.

    In `order`, equal images follow each other, by label.
    """
    contents = collection.contents[order]
    labels = collection.whole.labels[order]
    is_new = np.append(True, (contents[1:] != contents[:-1]).any(axis=1))
    group = is_new.cumsum() - 1
    firsts = np.flatnonzero(is_new)[group]
    lasts = np.append(np.flatnonzero(is_new)[1:], len(order))[group] - 1
    found = {}
    for place in np.flatnonzero(labels[firsts] != labels[lasts]):
        differs = labels[firsts[place]] != labels[place]
        other = firsts[place] if differs else lasts[place]
        found[int(order[place])] = Fault(
            int(labels[place]),
            ImageError(
                f"{collection.names[order[place]]} ({classes[labels[place]]})",
                "holds the same image as one of another class",
                f": {collection.names[order[other]]} ({classes[labels[other]]})",
            ),
        )
    return found
