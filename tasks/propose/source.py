"""What a folder or file of labelled images is: its format, classes, size and channels."""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from tasks.core.dataset import ImageSplit, Selection, SplitName
from tasks.images.decode import decode_whole
from tasks.images.errors import Tally
from tasks.images.files import list_files, read_file
from tasks.images.idx import parse_idx, unpack
from tasks.ingest.collect import Collection, Fault, arrange
from tasks.ingest.folders import list_folders, split_into_parts
from tasks.ingest.npz import image_shape, list_parts, read_labels
from tasks.ingest.places import MAX_BYTES, Folder
from tasks.ingest.source import PARTS, Source, TestChoice
from tasks.ingest.table import column_names, read_columns
from tasks.propose.sections import Section
from tasks.runner.errors import InputError

_TEST_SHARE = 0.2
_SEEDS = 1000
_FEWEST_CLASSES, _MOST_CLASSES = 2, 256
_SHOWN = 5
_NUMBERED = "the labels' numbers; give them names"
_LABEL_NAMES = ("label", "class", "category", "target", "kind", "species")
_CHOICE: Section = {
    "test_share": (_TEST_SHARE, "of each class, by content, where there are no test images"),
    "test_seed": (0, "gives another choice"),
}


def describe_source(path: Path) -> dict[str, Section]:
    """The sections data and ingest for what lies at a path.

    Raises:
        InputError: nothing there looks like labelled images.

    """
    if path.suffix == ".npz":
        return _describe_npz(path)
    if path.suffix in (".csv", ".parquet"):
        return _describe_table(path)
    if not path.is_dir():
        raise InputError(f"{path} is no folder, and no .npz, .csv or .parquet file")
    if any(path.glob("train-images-idx3-ubyte*")):
        return _describe_idx(path)
    tables = [*path.glob("*.csv"), *path.glob("*.parquet")]
    if len(tables) == 1:
        return _describe_table(tables[0])
    return _describe_folders(path)


def describe_counts(
    sections: dict[str, Section],
    splits: dict[SplitName, ImageSplit],
    *,
    num_faults: int,
    num_read: int,
) -> dict[str, Section]:
    """Adds what is known when the images have been read: how many there are and can't be used."""
    data, ingest = dict(sections["data"]), dict(sections["ingest"])
    for name, split in splits.items():
        data[f"{name}_images"] = (len(split.labels), "null takes any number: a source that grows")
    if "max_faulty_share" in ingest:
        # Rounded up, because exactly as many must pass.
        share = -(-num_faults * 10_000 // num_read) / 10_000
        found = f"of the images, that can't be used and are left out; {num_faults:,} found"
        ingest["max_faulty_share"] = (share, found)
    return {"data": data, "ingest": ingest}


def arrange_with_some_seed(
    collection: Collection, source: Source, *, classes: tuple[str, ...]
) -> tuple[dict[SplitName, Selection], list[Fault], int | None]:
    """Arranges the images with the first seed that gives each class test images.

    Returns:
        The splits, the images that were left out, and the seed; None where nothing is chosen.

    Raises:
        InputError: a class has too few images for any seed.

    """
    tolerant = replace(source, max_faulty_share=1.0)
    if source.test_choice is None or collection.is_test.any():
        return *arrange(collection, tolerant, classes=classes), None
    for seed in range(_SEEDS):
        choice = TestChoice(source.test_choice.share, seed)
        try:
            found = arrange(collection, replace(tolerant, test_choice=choice), classes=classes)
        except InputError:
            continue
        return *found, seed
    return *arrange(collection, tolerant, classes=classes), source.test_choice.seed


def _describe_idx(path: Path) -> dict[str, Section]:
    images, *labels = [
        parse_idx(
            unpack(Folder(path).fetch(name), name=name, max_bytes=MAX_BYTES),
            name=name,
            num_dimensions=dimensions,
        )
        for name, dimensions in (
            ("train-images-idx3-ubyte", 3),
            ("train-labels-idx1-ubyte", 1),
            ("t10k-labels-idx1-ubyte", 1),
        )
    ]
    classes = _number_classes(path, np.concatenate(labels))
    return {
        "data": _describe_data(path, classes, (*images.shape[1:], 1), note=_NUMBERED),
        "ingest": {
            "format": ("idx", ""),
            "path": (str(path), "the folder with the four files"),
            "system_folder": (None, ""),
            "urls": ([], "addresses where the files lie, if they aren't in the folder"),
            "debian_package": (None, ""),
            "timeout": (30.0, "seconds without an answer"),
            "sha256": (None, "of the four files, unpacked; null takes them as they are"),
        },
    }


def _describe_npz(path: Path) -> dict[str, Section]:
    labels = np.concatenate([read_labels(path, part) for part in list_parts(path)])
    classes = _number_classes(path, labels)
    return {
        "data": _describe_data(path, classes, image_shape(path), note=_NUMBERED),
        "ingest": {"format": ("npz", ""), "path": (str(path), ""), **_CHOICE},
    }


def _describe_folders(path: Path) -> dict[str, Section]:
    folders = list_folders(path, Tally())
    if folders and folders.keys() == split_into_parts(folders).keys():
        classes = _sorted(
            {name for part in folders.values() for name in list_folders(part, Tally())}
        )
    else:
        classes = _sorted(folders)
    if len(classes) < _FEWEST_CLASSES:
        raise InputError(
            f"{path} holds {len(classes)} folders of classes; expected {_FEWEST_CLASSES} or more,"
            " or one table (.csv, .parquet), or the four IDX files"
        )
    _check_classes(path, classes)
    return _describe_files(
        path, classes, (file for folder in folders.values() for file in list_files(folder).files)
    )


def _describe_table(path: Path) -> dict[str, Section]:
    root = path.parent
    columns = column_names(path)
    rows = dict(zip(columns, zip(*read_columns(path, columns), strict=True), strict=False))
    if not rows:
        raise InputError(f"{path} has no rows")
    path_column = _only(
        path,
        "paths",
        [
            name
            for name, values in rows.items()
            if any((root / value).is_file() for value in values)
        ],
    )
    split_column = next((name for name, values in rows.items() if set(values) <= set(PARTS)), None)
    others = [name for name in columns if name not in (path_column, split_column)]
    named = [name for name in others if name.lower() in _LABEL_NAMES]
    label_column = _only(path, "labels", named or others)
    labels = set(rows[label_column])
    classes = _sorted(labels)
    _check_classes(path, classes)
    # Other numbers, such as those from 1, are taken as names: no class may be without images.
    are_numbers = classes == [str(number) for number in range(len(classes))]
    sections = _describe_files(root, classes, (root / value for value in rows[path_column]))
    files = sections["ingest"]
    sections["ingest"] = {
        "format": ("table", ""),
        "path": files["path"],
        "table": (path.name, "in that folder; the paths in it are relative to the folder, too"),
        "path_column": (path_column, ""),
        "label_column": (label_column, ""),
        "labels": ("numbers" if are_numbers else "names", "of the classes"),
        "split_column": (split_column, "holds train, val or test"),
        **{key: entry for key, entry in files.items() if key not in ("format", "path")},
    }
    return sections


def _describe_files(path: Path, classes: list[str], files: Iterable[Path]) -> dict[str, Section]:
    """Looks at every image file: the most frequent size is proposed, and colour if any has it."""
    sizes: Counter[tuple[int, int]] = Counter()
    channels = 1
    for file in files:
        try:
            content = read_file(file, name=str(file), follow_links=True)
            pixels = decode_whole(content, name=str(file), channels=3, background=None, white=None)
        except InputError:
            continue  # named when the images are read with the parameters that are proposed
        sizes[pixels.shape[0], pixels.shape[1]] += 1
        if channels == 1 and (pixels != pixels[..., :1]).any():
            channels = 3
    if not sizes:
        raise InputError(f"{path} holds no PNG or JPEG file that can be used")
    size, number = sizes.most_common(1)[0]
    others = sizes.total() - number
    return {
        "data": _describe_data(path, classes, (*size, channels), note=""),
        "ingest": {
            "format": ("folders", ""),
            "path": (str(path), ""),
            "size": (
                "stretch" if others else "refuse",
                f"{others:,} images have another size than {size[0]} × {size[1]}"
                if others
                else "all images have one size; stretch, fit or crop would take others",
            ),
            "background": (
                None,
                "of transparent images; [255, 255, 255] is white; null refuses them",
            ),
            "white": (None, "the value of 16-bit grey that becomes 255; null refuses 16 bits"),
            "max_faulty_share": (1.0, ""),
            **_CHOICE,
        },
    }


def _describe_data(
    path: Path, classes: list[str], shape: tuple[int, int, int], *, note: str
) -> Section:
    return {
        "name": (path.resolve().stem, ""),
        "classes": (classes, note),
        "height": (shape[0], "pixels"),
        "width": (shape[1], "pixels"),
        "channels": (shape[2], "1 is grey, 3 is colour"),
        "train_images": (None, ""),
        "test_images": (None, ""),
    }


def _number_classes(path: Path, labels: np.ndarray) -> list[str]:
    """A class for each number up to the highest label."""
    highest = int(labels.max(initial=_FEWEST_CLASSES - 1))
    if highest >= _MOST_CLASSES:
        raise InputError(f"{path} holds the label {highest}; expected 0 to {_MOST_CLASSES - 1}")
    return [str(number) for number in range(highest + 1)]


def _check_classes(path: Path, classes: list[str]) -> None:
    if not _FEWEST_CLASSES <= len(classes) <= _MOST_CLASSES:
        raise InputError(
            f"{path} holds {len(classes):,} classes ({', '.join(classes[:_SHOWN])}, …); expected"
            f" {_FEWEST_CLASSES} to {_MOST_CLASSES}"
        )
    for name in classes:
        if not name or os.fsencode(name) != name.encode("utf-8", "replace"):
            raise InputError(f"{path} holds the class {name!a}; expected a name in UTF-8")


def _sorted(names: Iterable[str]) -> list[str]:
    """Numbers by their value, before other names."""
    return sorted(
        names, key=lambda name: (0, int(name), name) if name.isdecimal() else (1, 0, name)
    )


def _only(path: Path, what: str, columns: list[str]) -> str:
    if len(columns) != 1:
        raise InputError(
            f"{path} has {len(columns)} columns that may hold {what}"
            f" ({', '.join(columns) or 'none'}); expected one. Paths are relative to the table's"
            f" folder; a column of labels is called one of {', '.join(_LABEL_NAMES)}"
        )
    return columns[0]
