"""What a folder or file of labelled images is: its format, classes, size and channels."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from math import isqrt
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple
from unicodedata import normalize

import numpy as np

from tasks.images.errors import Tally
from tasks.images.files import list_files
from tasks.images.idx import parse_idx, unpack
from tasks.ingest.folders import list_folders, split_into_parts
from tasks.ingest.npz import read_parts
from tasks.ingest.places import MAX_BYTES
from tasks.propose.options import Options
from tasks.propose.pictures import CHOICE_SECTION, describe_pictures, load_file, look_at
from tasks.propose.sections import Section
from tasks.propose.tables import (
    Tables,
    count_pixels,
    find_tables,
    image_loaders,
    known_classes,
    understand_tables,
)
from tasks.runner.errors import InputError

_FEWEST_CLASSES, _MOST_CLASSES = 2, 256
_SHOWN = 12
_NUMBERED = "the labels' numbers; give them names"
# `emnist-letters-train-images-idx3-ubyte.gz`, `t10k-labels.idx1-ubyte`.
_IDX_NAME = re.compile(
    r"(?:.*[^a-z])?(train|t10k|test)[-_.](images|labels)[-_.]idx[13][-_.]ubyte", re.IGNORECASE
)


class Layout(NamedTuple):
    """What was understood.

    Attributes:
        data: the section data, without counts.
        ingest: the section ingest.
        grows: whether images may be added, so that no count is expected.
        lines: what to tell.

    """

    data: Section
    ingest: Section
    grows: bool
    lines: list[str]


def understand(path: Path, options: Options) -> Layout:
    """Finds out what lies at a path.

    Raises:
        InputError: nothing there looks like labelled images, or several things do.

    """
    if not path.exists():
        raise InputError(f"{path} is no folder, and no .npz, .csv, .tsv or .parquet file")
    readers: dict[str, Callable[[Path, Options], partial[Layout]]] = {
        "idx": _understand_idx,
        "npz": _understand_npz,
        "folders": _understand_folders,
        "table": _understand_table,
    }
    possible = [options.format] if options.format else list(readers)
    found: dict[str, partial[Layout]] = {}
    reasons: dict[str, str] = {}
    for name in possible:
        try:
            found[name] = readers[name](path, options)
        except InputError as error:
            reasons[name] = str(error)
    for name in ("idx", "npz"):
        found = {name: found[name]} if name in found else found
    if not found:
        lines = [f"as {name}: {reason}" for name, reason in reasons.items() if reason]
        raise InputError("\n".join([f"{path} can't be read as labelled images:", *lines]))
    if len(found) > 1:
        found = _prefer(path, found)
    ((name, describe),) = found.items()
    layout = describe()
    aside = [f"not read as {other}: {reason}" for other, reason in reasons.items() if reason]
    lines = [f"{path}: {_IN_WORDS[name]}", *layout.lines]
    if name == "folders" and find_tables(path):
        lines += aside
    return layout._replace(lines=lines)


_IN_WORDS = {
    "idx": "the four IDX files of the MNIST family",
    "npz": "an npz file in MedMNIST's layout",
    "folders": "a folder of pictures for each class",
    "table": "a table",
}


def _prefer(path: Path, found: dict[str, partial[Layout]]) -> dict[str, partial[Layout]]:
    """Folders, where a table says the same classes."""
    classes = {name: set(layout.keywords["classes"]) for name, layout in found.items()}
    if classes["folders"] == classes["table"]:
        return {"folders": found["folders"]}
    raise InputError(
        f"{path} has folders ({_shorten(classes['folders'])}) and a table with the labels"
        f" {_shorten(classes['table'])}. Which are the classes? --format folders, or --format table"
    )


def _understand_idx(path: Path, options: Options) -> partial[Layout]:
    names: dict[str, str] = {}
    for file in sorted(path.iterdir()) if path.is_dir() else []:
        match = _IDX_NAME.fullmatch(file.name.removesuffix(".gz"))
        if match:
            part = "train" if match[1].lower() == "train" else "test"
            key = f"{part}_{match[2].lower()}"
            name = file.name.removesuffix(".gz")
            if names.setdefault(key, name) != name:
                raise InputError(f"{names[key]} and {name}: expected one of them in {path}")
    if not names:
        raise InputError("")
    missing = {"train_images", "train_labels", "test_images", "test_labels"} - names.keys()
    if missing:
        raise InputError(
            f"{', '.join(names.values())} are there; missing: {', '.join(sorted(missing))}, with"
            " names such as train-images-idx3-ubyte, t10k-labels-idx1-ubyte, .gz or not"
        )
    return partial(_describe_idx, path, names)


def _describe_idx(path: Path, names: dict[str, str]) -> Layout:
    arrays = {}
    for key, name in names.items():
        file = path / name if (path / name).is_file() else path / f"{name}.gz"
        content = unpack(file.read_bytes(), name=name, max_bytes=MAX_BYTES)
        arrays[key] = parse_idx(content, name=name, num_dimensions=3 if "images" in key else 1)
    labels = np.concatenate([arrays["train_labels"], arrays["test_labels"]])
    classes, first = _number_classes(path, labels)
    ingest: Section = {
        "format": ("idx", ""),
        "path": (str(path), "the folder with the four files"),
        "files": (names, "without .gz"),
        "first_label": (first, "the number of the first class"),
        "system_folder": (None, ""),
        "urls": ([], "addresses where the files lie, if they aren't in the folder"),
        "debian_package": (None, ""),
        "timeout": (30.0, "seconds without an answer"),
        "sha256": (None, "of the four files, unpacked; null takes them as they are"),
    }
    shape = (*arrays["train_images"].shape[1:], 1)
    lines = [f"labels count from {first}", f"images: {shape[0]} × {shape[1]}, grey"]
    data = _describe_data(path, classes, _NUMBERED) | _describe_shape(shape)
    return Layout(data, ingest, grows=False, lines=lines)


def _understand_npz(path: Path, options: Options) -> partial[Layout]:
    if path.suffix != ".npz":
        inside = min(path.glob("*.npz"), default=None)
        raise InputError(f"is it {inside} that you mean?" if inside else "")
    parts = read_parts(path)
    classes, first = _number_classes(path, np.concatenate([part.labels for part in parts]))
    ingest: Section = {
        "format": ("npz", ""),
        "path": (str(path), ""),
        "first_label": (first, "the number of the first class"),
        **CHOICE_SECTION,
    }
    shape = parts[0].image_shape
    words = ", ".join(part.name for part in parts)
    lines = [f"parts: {words}", f"images: {shape[0]} × {shape[1]}, {shape[2]} channels"]
    data = _describe_data(path, classes, _NUMBERED) | _describe_shape(shape)
    return partial(Layout, data, ingest, grows=False, lines=lines)


def _understand_folders(path: Path, options: Options) -> partial[Layout]:
    if not path.is_dir():
        raise InputError("")
    folders = list_folders(path, Tally())
    inner = {name: set(list_folders(folder, Tally())) for name, folder in folders.items()}
    parts = {name: folder for name, folder in split_into_parts(folders).items() if inner[name]}
    same = (
        len(folders) > 1 and all(inner.values()) and len(set(map(frozenset, inner.values()))) == 1
    )
    unknown = sorted(folders.keys() - parts.keys())
    if not folders:
        raise InputError("there are no folders of classes")
    if unknown and folders.keys() == split_into_parts(folders).keys():
        raise InputError(
            f"called like parts, but without folders of classes: {_shorten(unknown)}. Sort their"
            " images into such folders, or move them elsewhere"
        )
    if parts and not unknown:
        classes = _check_classes(path, {name for part in parts for name in inner[part]})
        lines = [f"parts: {', '.join(parts)}"]
    elif parts and options.format != "folders":
        raise InputError(
            f"{path} holds the folder {unknown[0]} beside {min(parts)}, which holds folders:"
            f" {_shorten(inner[min(parts)])}. If those are the classes, {unknown[0]} is a part"
            f" (call it train, val or test) or belongs elsewhere; if {min(parts)} is a class:"
            " --format folders"
        )
    elif same and options.format != "folders":
        raise InputError(
            f"each of the folders {_shorten(folders)} holds the same folders:"
            f" {_shorten(next(iter(inner.values())))}. If they are parts, call them train, val and"
            " test; if they are classes: --format folders"
        )
    else:
        if len(folders) == 1:
            (only,) = folders
            raise InputError(f"there is one folder, {only}. Is it {path / only} that you mean?")
        classes = _check_classes(path, folders)
        lines = []
    return partial(_describe_folders, path, options, list(folders.values()), lines, classes=classes)


def _describe_folders(
    path: Path, options: Options, folders: list[Path], lines: list[str], *, classes: list[str]
) -> Layout:
    files = [file for folder in folders for file in list_files(folder).files]
    look = look_at(partial(load_file, file, options) for file in files)
    shape, policy, seen = describe_pictures(look, options)
    data = _describe_data(path, classes, "") | shape
    ingest: Section = {"format": ("folders", ""), "path": (str(path), ""), **policy}
    return Layout(data, ingest, grows=True, lines=[*lines, *seen])


def _understand_table(path: Path, options: Options) -> partial[Layout]:
    if not find_tables(path):
        raise InputError("" if path.is_file() else "there is no table (.csv, .tsv, .parquet)")
    tables = understand_tables(path, options)
    column = tables.columns["label_column"]
    counts = tables.values[column]
    # One form of Unicode, as in data.classes: a Mac spells `é` in two characters.
    found = {normalize("NFC", label) for label in counts if label is not None}
    labels = sorted(found, key=_by_number)
    if counts[None] > counts.total() / 2:
        raise InputError(
            f"{counts[None]:,} of {counts.total():,} rows have no label in the column {column}."
            " Another one? --label-column"
        )
    names = known_classes(tables)
    are_numbers = labels == [str(number) for number in range(len(labels))]
    if names and all(label.isdecimal() and int(label) < len(names) for label in labels):
        labels, are_numbers = names, True
    classes = _check_classes(path, labels, ordered=True)
    return partial(_describe_table, tables, options, are_numbers, classes=classes)


def _describe_table(
    tables: Tables, options: Options, are_numbers: bool, *, classes: list[str]
) -> Layout:
    columns = tables.columns
    lines = [
        *tables.lines,
        *(f"{part}: {', '.join(names)}" for part, names in tables.tables.items()),
        f"{columns['images']}: the column {columns['image_column']} (--path-column)",
        f"labels: the column {columns['label_column']} (--label-column)",
        f"parts: {columns['split_column'] or 'no column'} (--split-column)",
    ]
    if columns["images"] == "pixels":
        shape, policy = _shape_of_pixels(count_pixels(tables), options)
        lines.append(f"images: {shape[0]} × {shape[1]}, {shape[2]} channels (--size)")
        of_data = _describe_shape(shape)
    else:
        source = SimpleNamespace(**columns)
        of_data, policy, seen = describe_pictures(
            look_at(image_loaders(tables, source, options)), options
        )
        lines += seen
    root = tables.root
    ingest: Section = {
        "format": ("table", ""),
        "path": (str(root), "the folder that holds tables and images"),
        "tables": (tables.tables, "by part"),
        "header": (columns["header"], "false: the columns are called 1, 2, …"),
        "images": (columns["images"], "what a row has: files by name, bytes of a file, or pixels"),
        "image_column": (columns["image_column"], "with *: a column for each pixel"),
        "file_names": (columns["file_names"], "{} is the value; relative to the table's folder"),
        "label_column": (columns["label_column"], ""),
        "labels": ("numbers" if are_numbers else "names", "of the classes"),
        "split_column": (columns["split_column"], "says which images are for the test"),
        "split_values": (columns["split_values"], "null: the usual words"),
        **policy,
    }
    note = "" if not are_numbers else _NUMBERED
    return Layout(_describe_data(root, classes, note) | of_data, ingest, grows=True, lines=lines)


def _shape_of_pixels(number: int, options: Options) -> tuple[tuple[int, int, int], Section]:
    """The shape of images of so many pixels, if they are square, or as an option says."""
    for channels in (options.channels,) if options.channels else (1, 3):
        height, width = options.size or (isqrt(number // channels),) * 2
        if height * width * channels == number:
            policy: Section = {
                "size": ("refuse", ""),
                "background": (None, ""),
                "white": (None, ""),
                "max_faulty_share": (1.0, "of the images, that can't be used and are left out"),
                **CHOICE_SECTION,
            }
            return (height, width, channels), policy
    raise InputError(
        f"An image has {number:,} pixels, which is no square of {options.channels or '1 or 3'}"
        " channels. Say how high and wide: --size 28x20"
    )


def _describe_data(path: Path, classes: list[str], note: str) -> Section:
    return {"name": (path.resolve().stem, ""), "classes": (classes, note)}


def _describe_shape(shape: tuple[int, ...]) -> Section:
    return {
        "height": (shape[0], "pixels"),
        "width": (shape[1], "pixels"),
        "channels": (shape[2], "1 is grey, 3 is colour"),
    }


def _number_classes(path: Path, labels: np.ndarray) -> tuple[list[str], int]:
    """A class for each number from the lowest label to the highest, and the lowest.

    Raises:
        InputError: there are too many, or some number between them has no image.

    """
    found = sorted(int(label) for label in np.unique(labels))
    first = min(found, default=0)
    missing = [label + 1 for label, after in pairwise(found) if after != label + 1]
    if missing or not _FEWEST_CLASSES <= len(found) <= _MOST_CLASSES:
        raise InputError(
            f"{path} holds the labels {_shorten(map(str, found))}; expected {_FEWEST_CLASSES} to"
            f" {_MOST_CLASSES} that count on"
            + (f", but none is {missing[0]}: number them without a gap" if missing else "")
        )
    return [str(label) for label in found], first


def _check_classes(path: Path, names: Iterable[str], *, ordered: bool = False) -> list[str]:
    classes = list(names) if ordered else sorted(names, key=_by_number)
    if not _FEWEST_CLASSES <= len(classes) <= _MOST_CLASSES:
        raise InputError(
            f"{path} holds {len(classes):,} classes ({_shorten(classes)}); expected"
            f" {_FEWEST_CLASSES} to {_MOST_CLASSES}"
        )
    for name in classes:
        if os.fsencode(name) != name.encode("utf-8", "replace"):
            raise InputError(f"{path} holds the class {name!a}; expected a name in UTF-8")
    repeated = [name for name, count in Counter(classes).items() if count > 1]
    if repeated:
        raise InputError(f"{path} holds the class {repeated[0]} more than once")
    return classes


def _by_number(name: str) -> tuple[int, int, str]:
    """Numbers by their value, before other names."""
    return (0, int(name), name) if re.fullmatch(r"-?\d+", name, re.ASCII) else (1, 0, name)


def _shorten(names: Iterable[str]) -> str:
    shown = sorted(names, key=_by_number)
    more = f", … ({len(shown):,} in all)" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more
