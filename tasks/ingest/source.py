"""What every source of labelled images gives. A new one is a function that returns a `Source`.

`tasks/ingest/stage.py` finds it by the format's name.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from tasks.core.dataset import SplitName
from tasks.core.parameters import DataParameters
from tasks.images.errors import Tally
from tasks.images.policy import ImagePolicy
from tasks.ingest.parameters import ChoiceParameters, NpzParameters, Published
from tasks.runner.errors import InputError

# What a source may call its parts, in lower case. The images of `val` are training images:
# `prepare` holds out the validation split.
PARTS: dict[str, SplitName] = {
    **dict.fromkeys(("train", "training", "val", "valid", "validation", "dev"), "train"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}


class Entry(NamedTuple):
    """One labelled image: its name for messages, its position in the list of classes, its split.

    That is train also where the source has no test images of its own. `load` gives (height, width,
    channels) uint8, or the bytes of an image file, or raises an ImageError.
    """

    name: str
    label: int
    split: SplitName
    load: Callable[[], np.ndarray | bytes]


@dataclass(frozen=True)
class Source:
    """Labelled images, one after another.

    Attributes:
        entries: read once; they needn't all be in memory.
        num_images: how many there are.
        published: whether the order of the images is kept, and every one counts. If not, their
            order and their names don't matter, and those that can't be used may be left out.
        max_faulty_share: of the images, that may be left out.
        choice: of test images, where a source has none; None for one that always has.
        policy: what is done with pictures that aren't as `data` says; it is kept with the model.
        origin: what is written into the manifest: no names of files, no times.
        aside: files that nobody means as images, counted by their kind.

    """

    entries: Iterable[Entry]
    num_images: int
    published: bool
    max_faulty_share: float
    choice: ChoiceParameters | None
    policy: ImagePolicy
    origin: dict[str, object]
    aside: Tally = field(default_factory=Tally)


class Part(NamedTuple):
    """Train, val or test of a published set: n images, uint8, one after another, (n,) labels.

    The shape is n, height, width, channels.
    """

    name: str
    shape: tuple[int, ...]
    images: Iterable[np.ndarray]
    labels: np.ndarray


def publish(parts: list[Part], ingest: Published, data: DataParameters, **origin: object) -> Source:
    """A source that is published as a whole; it must be as `data` says."""
    policy = ImagePolicy.exact(data)
    for part in parts:
        if len(part.labels) != part.shape[0]:
            raise InputError(
                f"{ingest.path} holds {part.shape[0]:,} images of {part.name}, but"
                f" {len(part.labels):,} labels; expected one for each. Get whole files"
            )
        if part.shape[1:] != policy.shape:
            raise InputError(
                f"{ingest.path} holds images of {part.name} of {_in_words(part.shape[1:])};"
                f" params.yaml says {_in_words(policy.shape)}: data.height, data.width,"
                " data.channels. Change these"
            )
    return Source(
        entries=_list_entries(parts, ingest.first_label),
        num_images=sum(part.shape[0] for part in parts),
        published=True,
        max_faulty_share=0.0,
        choice=ingest if isinstance(ingest, NpzParameters) else None,
        policy=policy,
        origin={"data_set": data.name, "format": ingest.format, **origin},
    )


def _list_entries(parts: list[Part], first_label: int) -> Iterator[Entry]:
    for part in parts:
        labels = (part.labels.astype(np.int64) - first_label).tolist()
        for index, (label, image) in enumerate(zip(labels, part.images, strict=True)):
            name = f"{part.name} image {index}"
            yield Entry(name, label, PARTS[part.name], lambda image=image: image)


def _in_words(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} × {shape[1]} pixels in {shape[2]} channel{'s' * (shape[2] > 1)}"
