"""What every source of labelled images gives. A new one is a function that returns a `Source`.

`tasks/ingest/read.py` finds it by the format's name.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from tasks.core.dataset import SplitName
from tasks.images.errors import Tally
from tasks.images.policy import ImagePolicy

# What a source may call its parts, in lower case. The images of `val` are training images:
# `prepare` holds out the validation split.
PARTS: dict[str, SplitName] = {
    **dict.fromkeys(("train", "training", "val", "valid", "validation", "dev"), "train"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}


class Entry(NamedTuple):
    """One labelled image.

    Attributes:
        name: for messages.
        label: a position in the list of classes.
        split: train also where the source has no test images of its own.
        load: gives (height, width, channels) uint8, or raises an InputError that names the image.

    """

    name: str
    label: int
    split: SplitName
    load: Callable[[], np.ndarray]


class TestChoice(NamedTuple):
    """Which images become test images where a source has none.

    Attributes:
        share: of each class.
        seed: gives another choice.

    """

    share: float
    seed: int


@dataclass(frozen=True)
class Source:
    """Labelled images, one after another.

    Attributes:
        entries: read once; they needn't all be in memory.
        published: whether the order of the images is kept, and every one counts. If not, their
            order and their names don't matter, and those that can't be used may be left out.
        max_faulty_share: of the images, that may be left out.
        test_choice: None for a source that always has test images.
        policy: what is done with pictures that aren't as `data` says; it is kept with the model.
        origin: what is written into the manifest: no names of files, no times.
        aside: files that nobody means as images, counted by their kind.

    """

    entries: Iterable[Entry]
    published: bool
    max_faulty_share: float
    test_choice: TestChoice | None
    policy: ImagePolicy
    origin: dict[str, object]
    aside: Tally = field(default_factory=Tally)
