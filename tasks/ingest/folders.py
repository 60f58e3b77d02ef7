"""Source folders: a folder of image files for each class.

CLASS/*, or train/CLASS/* and test/CLASS/* (and val/CLASS/*), at any depth below CLASS. What lies
beside these folders is left aside, as are hidden and system files; every other file must be an
image.
"""

import unicodedata
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tasks.core.dataset import SplitName
from tasks.core.parameters import DataParameters
from tasks.images.errors import Tally
from tasks.images.files import list_files, read_file, why_aside
from tasks.images.policy import ImagePolicy
from tasks.ingest.parameters import FoldersParameters
from tasks.ingest.source import PARTS, Entry, Source
from tasks.runner.errors import InputError


def read_folders(source: FoldersParameters, data: DataParameters) -> Source:
    """Lists the files; their content is read later."""
    aside = Tally()
    entries = [
        Entry(
            str(path),
            label,
            split,
            partial(read_file, path.absolute(), name=str(path), follow_links=True),
        )
        for split, folder in _find_parts(Path(source.path), data.classes, aside)
        for label, path in _list_classes(folder, data.classes, aside)
    ]
    return Source(
        entries=entries,
        num_images=len(entries),
        published=False,
        max_faulty_share=source.max_faulty_share,
        choice=source,
        policy=ImagePolicy.of(data, source),
        origin={"data_set": data.name, "format": "folders"},
        aside=aside,
    )


def list_folders(folder: Path, aside: Tally) -> dict[str, Path]:
    """The folders in a folder, by their names in Unicode's composed form (NFC).

    What else lies there is counted in `aside`. A link to a folder is refused: DVC, which says
    whether the images have changed, looks at nothing behind it.
    """
    if not folder.is_dir():
        raise InputError(
            f"ingest.path in params.yaml names {folder}, which isn't a folder; mend it"
        )
    folders: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        reason = why_aside(path) or ("beside the folders" if not path.is_dir() else None)
        if reason:
            aside.add(reason, path.name)
            continue
        if path.is_symlink():
            raise InputError(
                f"{path} is a link to the folder {path.readlink()}; expected a folder, because DVC"
                " doesn't see what changes behind a link. Put the folder in its place: mount it"
                " there (mount --bind), move it, or copy it"
            )
        other = folders.setdefault(unicodedata.normalize("NFC", path.name), path)
        if other != path:
            raise InputError(
                f"{folder} holds two folders of the name {path.name}, in two forms of Unicode:"
                f" {other.name!a} and {path.name!a}. Put their images into one"
            )
    return folders


def split_into_parts(folders: dict[str, Path]) -> dict[str, Path]:
    """Those of some folders that bear the name of a part: train, val, test, and so on."""
    return {name: folder for name, folder in folders.items() if name.lower() in PARTS}


def _find_parts(root: Path, classes: tuple[str, ...], aside: Tally) -> list[tuple[SplitName, Path]]:
    """The folders that hold the classes' folders, each with the split to which its images belong.

    `train` is a part, and no class, if it holds the folder of a class.
    """
    beside = Tally()
    folders = list_folders(root, beside)
    parts = split_into_parts(folders)
    if not any(set(list_folders(part, Tally())) & set(classes) for part in parts.values()):
        return [("train", root)]
    unknown = folders.keys() - parts.keys()
    if unknown:
        raise InputError(
            f"{root} holds the folder {min(unknown)} beside {min(parts)}; expected"
            f" {', '.join(PARTS)}"
        )
    aside.extend(beside)
    return [(PARTS[name.lower()], folder) for name, folder in parts.items()]


def _list_classes(
    folder: Path, classes: tuple[str, ...], aside: Tally
) -> Iterator[tuple[int, Path]]:
    found = list_folders(folder, aside)
    unknown = [name for name in found if name not in classes]
    missing = [name for name in classes if name not in found]
    if unknown or missing:
        raise InputError(
            f"{folder} holds the folders {', '.join(found) or 'none'}; data.classes in params.yaml"
            f" says {', '.join(classes)}."
            + (f" Unknown: {', '.join(unknown)}." if unknown else "")
            + (f" Missing: {', '.join(missing)}." if missing else "")
            + " Change one or the other"
        )
    for label, name in enumerate(classes):
        listed = list_files(found[name])
        aside.extend(listed.aside, within=found[name].name)
        if not listed.files:
            lines = [f"The folder of the class {name}, {found[name]}, holds no files of images"]
            lines += [f"left aside, {line}" for line in listed.aside.describe()]
            lines.append("Add some, or remove the folder, and the class from data.classes")
            raise InputError("\n".join(lines))
        yield from ((label, path) for path in listed.files)
