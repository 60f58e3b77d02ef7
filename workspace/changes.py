"""Samples of the images that came, went or changed their label since the champion's time.

archive/RUN/changes.html is one file without script. Images that went are looked for in DVC's cache.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.core import paths
from tasks.core.dataset import SplitName, load_split
from tasks.core.files import write_text
from tasks.models.data import hashes_of, read_images, tell_changes
from tasks.models.store import CHAMPIONS
from tasks.page.images import show_images
from tasks.page.render import make_environment
from tasks.runner.errors import InputError
from workspace.archive import CHANGES_NAME
from workspace.repository import find_images, find_objects, read_lock

_SPLITS: tuple[SplitName, ...] = ("train", "test")
_SHOWN = 8  # images of each class

Pixels = Mapping[SplitName, np.ndarray]


@dataclass(frozen=True)
class Group:
    """Images of one class that came, went or changed their label.

    Attributes:
        strip: the address of some of them, side by side; None where their pixels are gone.

    """

    split: SplitName
    what: str
    name: str
    number: int
    strip: str | None


def write_changes(root: Path, folder: Path, *, champion: str, trained: Path | None) -> None:
    """Writes the page into a run's folder, if any image changed.

    Args:
        champion: the version that was in use; its folder says which images there were.
        trained: the folder of the run that made it, whose dvc.lock leads to the pixels of then.

    """
    try:
        before, after = read_images(root / CHAMPIONS / champion), read_images(folder)
    except InputError:  # one of them was made without knowing its images
        return
    now: Pixels = {
        split: np.asarray(load_split(split, root / paths.RAW).images) for split in _SPLITS
    }
    groups = list(find_groups(before, after, earlier=find_pixels(root, trained), now=now))
    if groups:
        environment = make_environment("workspace", {}, classes=())
        page = environment.get_template("changes.html.j2").render(
            champion=champion, groups=groups, lines=list(tell_changes(before, after)), shown=_SHOWN
        )
        write_text(folder / CHANGES_NAME, page)


def find_pixels(root: Path, trained: Path | None) -> Pixels:
    """The images of an earlier run, mapped into memory, as far as DVC's cache has them."""
    found: dict[SplitName, np.ndarray] = {}
    # Pruned, damaged, or never there: then there is nothing to show.
    with suppress(InputError, OSError, ValueError, LookupError):
        name = find_images(read_lock(trained)) if trained else None
        if name is None:
            return found
        objects = find_objects(root)
        for entry in json.loads((objects / name[:2] / name[2:]).read_bytes()):
            for split in _SPLITS:
                if entry["relpath"] == f"{split}_images.npy":
                    path = objects / entry["md5"][:2] / entry["md5"][2:]
                    found[split] = np.load(path, mmap_mode="r", allow_pickle=False)
    return found


def find_groups(
    before: pd.DataFrame, after: pd.DataFrame, *, earlier: Pixels, now: Pixels
) -> Iterator[Group]:
    """The groups that have images, by split, by what happened to them, by class.

    Args:
        before: the images as `tasks.models.data` describes them.
        after: likewise, now.
        earlier: the pixels of `before`, where they are known.
        now: those of `after`.

    """
    for split in _SPLITS:
        old, new = (
            frame[frame["split"] == split].reset_index(drop=True) for frame in (before, after)
        )
        came = new[~new["content"].isin(hashes_of(before, split))]
        went = old[~old["content"].isin(hashes_of(after, split))]
        labels = old.drop_duplicates("content").set_index("content")["label"]
        known = new["content"].map(labels)
        moved = new[known.notna() & (known != new["label"])].copy()
        moved["label"] = known + " → " + moved["label"]
        for what, rows, pixels in (
            ("came", came, now.get(split)),
            ("went", went, earlier.get(split)),
            ("changed their label", moved, now.get(split)),
        ):
            total = len(old) if what == "went" else len(new)
            known_pixels = pixels if pixels is not None and len(pixels) == total else None
            for name, group in rows.groupby("label", sort=False):
                yield Group(split, what, str(name), len(group), _show(group, known_pixels))


def _show(group: pd.DataFrame, pixels: np.ndarray | None) -> str | None:
    if pixels is None:
        return None
    # By content, so that the choice is the same each time, and any image may be among them.
    chosen = group.sort_values("content").index[:_SHOWN]
    return show_images(np.asarray(pixels[chosen.to_numpy()]))
