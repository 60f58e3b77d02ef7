"""Source folders: a folder of PNG and JPEG files for each class.

CLASS/*, or train/CLASS/* and test/CLASS/* (and val/CLASS/*), at any depth below CLASS. What lies
beside these folders, and hidden files, are ignored; every other file must be an image.
"""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tasks.core.parameters import DataParameters
from tasks.ingest.files import load_file
from tasks.ingest.parameters import FoldersParameters
from tasks.ingest.source import PARTS, Entry, Source, TestChoice
from tasks.runner.errors import InputError


def read_folders(source: FoldersParameters, data: DataParameters) -> Source:
    """Lists the files; their content is read later."""
    root = Path(source.path)
    entries = [
        Entry(
            name=str(path),
            label=label,
            split=PARTS[part],
            load=partial(load_file, path, data=data, resize=source.resize),
        )
        for part, folder in list_parts(root, data.classes).items()
        for label, path in _list_files(folder, data.classes)
    ]
    return Source(
        entries=entries,
        published=False,
        max_faulty_share=source.max_faulty_share,
        test_choice=TestChoice(source.test_share, source.test_seed),
        origin={"data_set": data.name, "format": "folders"},
    )


def list_parts(root: Path, classes: tuple[str, ...]) -> dict[str, Path]:
    """The folders that hold the classes' folders, by the name of the part.

    `train` is a part, and no class, if it holds the folder of a class.
    """
    if not root.is_dir():
        raise InputError(f"ingest.path in params.yaml names {root}, which isn't a folder")
    if not any((root / "train" / name).is_dir() for name in classes):
        return {"train": root}
    folders = list_folders(root)
    unknown = [folder.name for folder in folders if folder.name not in PARTS]
    if unknown:
        raise InputError(
            f"{root} holds the folder {unknown[0]} beside train; expected train, val and test"
        )
    return {folder.name: folder for folder in folders}


def list_folders(folder: Path) -> list[Path]:
    """The folders in a folder, but for hidden ones."""
    return sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )


def list_images(folder: Path) -> Iterator[Path]:
    """The files in a folder, at any depth, but for hidden ones."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(parent, name)


def _list_files(folder: Path, classes: tuple[str, ...]) -> Iterator[tuple[int, Path]]:
    found = [path.name for path in list_folders(folder)]
    unknown = [name for name in found if name not in classes]
    missing = [name for name in classes if name not in found]
    if unknown or missing:
        raise InputError(
            f"{folder} holds the folders {', '.join(found) or 'none'}; data.classes in params.yaml"
            f" says {', '.join(classes)}."
            + (f" Unknown: {', '.join(unknown)}." if unknown else "")
            + (f" Missing: {', '.join(missing)}." if missing else "")
        )
    for label, name in enumerate(classes):
        files = list(list_images(folder / name))
        if not files:
            raise InputError(f"The folder of the class {name}, {folder / name}, holds no files")
        for path in files:
            yield label, path
