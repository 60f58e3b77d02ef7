"""What a folder or file of labelled images is: its format, classes, size and channels."""

import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from math import isqrt
from pathlib import Path
from typing import Literal, NamedTuple
from unicodedata import normalize

import numpy as np
from pydantic import ValidationError

from tasks.core.parameters import DataParameters
from tasks.images.errors import Tally, in_utf8
from tasks.images.files import list_files, read_file, why_aside
from tasks.images.policy import ImagePolicy
from tasks.ingest import idx, npz, parameters, table
from tasks.ingest.folders import list_folders, split_into_parts
from tasks.ingest.parameters import IngestParameters, OfFourFiles, Published
from tasks.ingest.rows import TABLE_ENDINGS, class_names
from tasks.ingest.source import PARTS, Part
from tasks.propose.cells import shape_of_pixels
from tasks.propose.columns import plain
from tasks.propose.options import Options
from tasks.propose.pictures import CHOICE, EXACT, choose_policy
from tasks.propose.tables import find_tables, understand_tables
from tasks.runner.errors import InputError

_FEWEST_CLASSES, _MOST_CLASSES = 2, 256
_SHOWN = 12
# `emnist-letters-train-images-idx3-ubyte.gz`, `t10k-labels.idx1-ubyte`.
_IDX_NAME = re.compile(
    r"(?:.*[^a-z])?(train|t10k|test)[-_.](images|labels)[-_.]idx[13][-_.]ubyte", re.IGNORECASE
)
# `seg_train`, `training_set`, `TestSet`, `testset`, `val2017`.
_WORD_OF_PART = re.compile(rf"(?<![a-z])({'|'.join(PARTS)})(set|data|images)?(?![a-z])")
_EXPECTED = (
    "expected a folder that holds a folder for each class, tables of labels, or the four IDX files;"
    f" or an .npz file, or a table ({', '.join(TABLE_ENDINGS)}). Unpack archives; save other tables"
    " as CSV in UTF-8"
)


class Candidate(NamedTuple):
    """One way to read a path: its parameters, but for what `look` finds in the images."""

    classes: list[str]
    ingest: IngestParameters
    lines: list[str]
    look: Callable[[], tuple[ImagePolicy, list[str]]]


def understand(path: Path, options: Options) -> tuple[DataParameters, IngestParameters, list[str]]:
    """What lies at a path, and what to tell of it; nothing, or several things, are refused."""
    if not path.exists():
        raise InputError(f"There is no {path}; {_EXPECTED}")
    if path.is_file() and path.suffix.lower() not in (".npz", *TABLE_ENDINGS):
        raise InputError(f"{path} is a file; {_EXPECTED}")
    found: dict[str, Candidate] = {}
    reasons: dict[str, str] = {}
    for name in [options.format] if options.format else _READERS:
        try:
            found[name] = _READERS[name][1](path, options)
        except InputError as error:
            reasons[name] = str(error)
        if found.keys() & {"idx", "npz"}:
            break
    aside = [f"not read as {name}: {reason}" for name, reason in reasons.items() if reason]
    if not found:
        raise InputError(
            "\n".join([f"{path} can't be read as labelled images:", *aside, _EXPECTED])
        )
    name = _prefer(path, found)
    classes, ingest, lines, look = found[name]
    try:
        policy, seen = look()
        data = DataParameters(
            name=Path(ingest.path).resolve().stem,
            classes=tuple(classes),
            train_images=None,
            test_images=None,
            **policy.model_dump(include={"height", "width", "channels"}),
        )
    except ValidationError as error:
        raise InputError(f"What was understood is impossible: {error.errors()[0]['msg']}") from None
    ingest = ingest.model_copy(update=policy.model_dump(include=set(type(ingest).model_fields)))
    told = [f"{path}: {_READERS[name][0]}", *lines, *seen]
    if name == "folders" and find_tables(path)[0]:
        told += aside
    cases = Counter(map(str.casefold, classes))
    if twins := [label for label in classes if cases[label.casefold()] > 1]:
        told.append(f"different in case alone: {_shorten(twins)}; mend them if they are the same")
    return data, ingest, told


def _prefer(path: Path, found: dict[str, Candidate]) -> str:
    """The only way to read it; folders, where a table says the same."""
    classes = {name: set(candidate.classes) for name, candidate in found.items()}
    if len(found) > 1 and classes["folders"] != classes["table"]:
        raise InputError(
            f"{path} has folders ({_shorten(classes['folders'])}) and a table with the labels"
            f" {_shorten(classes['table'])}. Which are the classes? --format folders, or"
            " --format table"
        )
    return next(iter(found))


def _understand_idx(path: Path, options: Options) -> Candidate:
    names: dict[str, str] = {}
    for file in sorted(path.glob("*")):
        name = file.name.removesuffix(".gz")
        if match := _IDX_NAME.fullmatch(name):
            part = "train" if match[1].lower() == "train" else "test"
            key = f"{part}_{match[2].lower()}"
            if names.setdefault(key, name) != name:
                raise InputError(f"{names[key]} and {name}: expected one of them in {path}")
    if not names:
        raise InputError("")
    missing = OfFourFiles.model_fields.keys() - names.keys()
    if missing:
        raise InputError(
            f"{', '.join(names.values())} are there; missing: {', '.join(sorted(missing))}, with"
            " names such as train-images-idx3-ubyte, t10k-labels-idx1-ubyte, .gz or not"
        )
    ingest = parameters.IdxParameters(
        format="idx",
        path=str(path),
        files=OfFourFiles(**names),
        first_label=0,
        system_folder=None,
        urls=(),
        debian_package=None,
        timeout=30.0,
        sha256=None,
    )
    return _of_arrays(idx.read_parts(idx.fetch_from(idx.places_of(ingest)[0], ingest)), ingest)


def _understand_npz(path: Path, options: Options) -> Candidate:
    if path.suffix.lower() != ".npz":
        inside = min(path.glob("*.npz"), default=None)
        raise InputError(f"is it {inside} that you mean?" if inside else "")
    ingest = parameters.NpzParameters(format="npz", path=str(path), first_label=0, **CHOICE)
    return _of_arrays(npz.read_parts(path)[0], ingest)


def _of_arrays(parts: list[Part], ingest: Published) -> Candidate:
    """A class for each number from the lowest label to the highest, without a gap."""
    path = Path(ingest.path)
    found = sorted({label for part in parts for label in np.unique(part.labels).tolist()})
    missing = [label + 1 for label, after in pairwise(found) if after != label + 1]
    if missing or not _FEWEST_CLASSES <= len(found) <= _MOST_CLASSES:
        raise InputError(
            f"{path} holds the labels {_shorten(map(str, found))}; expected {_FEWEST_CLASSES} to"
            f" {_MOST_CLASSES} that count on"
            + (f", but none is {missing[0]}: number them without a gap" if missing else "")
        )
    lines = [
        f"parts: {', '.join(part.name for part in parts)}",
        f"labels count from {found[0]}",
    ]
    ingest = ingest.model_copy(update={"first_label": found[0]})
    look = partial(_exactly, *parts[0].shape[1:])
    return Candidate([str(label) for label in found], ingest, lines, look)


def _understand_folders(path: Path, options: Options) -> Candidate:
    if not path.is_dir():
        raise InputError("")
    folders = list_folders(path, Tally())
    inner = {name: set(list_folders(folder, Tally())) for name, folder in folders.items()}
    parts = {name: folder for name, folder in split_into_parts(folders).items() if inner[name]}
    unknown = sorted(folders.keys() - parts.keys())
    if not folders:
        raise InputError(f"there are no folders of classes; {_list_others(path)}")
    if unknown and folders.keys() == split_into_parts(folders).keys():
        raise InputError(
            f"called like parts, but without folders of classes: {_shorten(unknown)}. Sort their"
            " images into such folders, or move them elsewhere"
        )
    if parts and not unknown:
        every = set().union(*inner.values())
        lacking = [
            f"{part} lacks {_shorten(every - inner[part])}" for part in parts if every - inner[part]
        ]
        if lacking:
            raise InputError(
                f"the parts hold different folders: {'; '.join(lacking)}. Each needs a folder for"
                " each class, of the same name in the same case: rename them, or move them away"
            )
        classes, lines = every, [f"parts: {', '.join(parts)}"]
    elif parts and options.format != "folders":
        raise InputError(
            f"{path} holds the folder {unknown[0]} beside {min(parts)}, which holds folders:"
            f" {_shorten(inner[min(parts)])}. If those are the classes, {unknown[0]} is a part"
            f" (call it train, val or test) or belongs elsewhere; if {min(parts)} is a class:"
            " --format folders"
        )
    elif len(folders) > 1 and options.format != "folders" and (seen := _seem_parts(folders)):
        raise InputError(
            f"{seen}. If they are parts, have folders called train, val and test that hold the"
            f" folders of the classes, and nothing beside them; if {_shorten(folders)} are the"
            " classes: --format folders"
        )
    else:
        if len(folders) == 1:
            (only,) = folders
            raise InputError(f"there is one folder, {only}. Is it {path / only} that you mean?")
        classes = folders
        more = sorted(set().union(*inner.values()))
        lines = [f"folders in those of the classes, and no classes: {_shorten(more)}"] * bool(more)
    classes = _check_classes(path, sorted(classes, key=_by_number))
    ingest = parameters.FoldersParameters(
        format="folders", path=str(path), max_faulty_share=1.0, **EXACT, **CHOICE
    )
    listed = [list_files(folder) for folder in folders.values()]
    files = [file for found in listed for file in found.files]
    if not files:
        aside = "; ".join(line for found in listed for line in found.aside.describe())
        raise InputError(f"the folders {_shorten(folders)} hold no pictures; left aside: {aside}")
    named = (
        (str(file), partial(read_file, file, name=str(file), follow_links=True)) for file in files
    )
    return Candidate(classes, ingest, lines, partial(choose_policy, named, options))


def _seem_parts(folders: dict[str, Path]) -> str | None:
    """What speaks for it that some folders are parts, whatever they are called; None if nothing.

    Two of them hold a folder of the same name; one that holds folders has a part's word in its
    name, or the name of a folder in it that holds others; or all have a part's word.
    """
    inside = {name: _list_inside(folder) for name, folder in folders.items()}
    counts = Counter(key for names in inside.values() for key in {*map(str.casefold, names)})
    shared = {key for key, count in counts.items() if count > 1}
    if shared:
        ones = {name for name, names in inside.items() if shared & {*map(str.casefold, names)}}
        names = {each for name in ones for each in inside[name] if each.casefold() in shared}
        return f"the folders {_shorten(ones)} hold folders of the same names: {_shorten(names)}"
    called = {name for name in folders if _WORD_OF_PART.search(plain(name))}
    nested = {name for name, names in inside.items() if name in names and len(names) > 1}
    if holding := {name for name in called | nested if inside[name]}:
        inner = _shorten(set().union(*(inside[name] for name in holding)))
        return f"called like parts, or like what is in them, {_shorten(holding)} hold {inner}"
    if called == folders.keys():
        return f"the folders {_shorten(called)} are called like parts"
    return None


def _list_inside(folder: Path) -> set[str]:
    """The folders in a folder; and those in them, for as long as there is but one."""
    names: set[str] = set()
    while found := list_folders(folder, Tally()):
        names |= found.keys()
        if len(found) > 1:
            break
        (folder,) = found.values()
    return names


def _understand_table(path: Path, options: Options) -> Candidate:
    if not find_tables(path)[0]:
        if path.is_file():
            raise InputError("")
        raise InputError(f"there is no table ({', '.join(TABLE_ENDINGS)}); {_list_others(path)}")
    source, counts, lines, ways = understand_tables(path, options)
    tables = [found for _, found in table.find_tables(source)]
    # One form of Unicode, as in data.classes: a Mac spells `é` in two characters.
    found = {normalize("NFC", label) for label in counts if label is not None}
    labels = sorted(found, key=_by_number)
    if counts[None] > counts.total() / 2:
        raise InputError(
            f"{counts[None]:,} of {counts.total():,} rows have no label in the column"
            f" {source.label_column}."
            " Another one? --label-column"
        )
    # Numbers that are other classes in each table are no labels; names may be.
    numbered = any(label.isdecimal() for label in labels)
    names = class_names(tables, source.label_column) if numbered else None
    are_numbers = labels == [str(number) for number in range(len(labels))]
    if names and all(label.isdecimal() and int(label) < len(names) for label in labels):
        labels, are_numbers = names, True
        if silent := [each.name for each in tables if not class_names([each], source.label_column)]:
            lines.append(f"taken to have the classes' numbers of the others: {_shorten(silent)}")
    classes = _check_classes(path, labels)
    source = source.model_copy(update={"labels": "numbers" if are_numbers else "names"})
    if source.images == "pixels":
        look = partial(_understand_pixels, shape_of_pixels(source, tables[0]), options)
    else:
        look = partial(_look_at_table, source, tables, ways, options)
    return Candidate(classes, source, lines, look)


def _look_at_table(
    source: parameters.TableParameters, tables: list[Path], ways: list[str], options: Options
) -> tuple[ImagePolicy, list[str]]:
    """Asks about several ways in which values name files, as masks are called like pictures."""
    if len(ways) > 1:
        shown = " or ".join(f"--file-names {shlex.quote(way)}" for way in ways)
        raise InputError(
            f"{tables[0]}: the values of the column {source.image_column} name files in"
            f" {len(ways)} ways, of which one is meant. Say which: {shown}"
        )
    files = (file for each in tables for file in table.list_files(source, each))
    return choose_policy(files, options)


def _understand_pixels(shape: tuple[int, ...], options: Options) -> tuple[ImagePolicy, list[str]]:
    """The size of images whose pixels are nested as they are, or that are so many, and square."""
    if len(shape) == 1:
        for channels in (options.channels,) if options.channels else (1, 3):
            height, width = options.size or (isqrt(shape[0] // channels),) * 2
            if height * width * channels == shape[0]:
                return _exactly(height, width, channels)
        raise InputError(
            f"An image has {shape[0]:,} pixels, which is no square of"
            f" {options.channels or '1 or 3'} channels. Say how high and wide: --size 28x20"
        )
    height, width, channels = (*shape, 1)[:3]
    if len(shape) > 3 or channels not in (1, 3):
        raise InputError(
            f"An image is nested as {' × '.join(map(str, shape))}; expected height × width, or"
            " height × width × channels, of which there are 1 or 3. Write it so"
        )
    if (options.size or shape[:2], options.channels or channels) != (shape[:2], channels):
        raise InputError(
            f"An image is nested as {' × '.join(map(str, shape))}; --size and --channels say"
            " something else. Leave them out"
        )
    return _exactly(height, width, channels)


def _exactly(height: int, width: int, channels: Literal[1, 3]) -> tuple[ImagePolicy, list[str]]:
    policy = ImagePolicy(height=height, width=width, channels=channels, **EXACT)
    return policy, [f"images: {height} × {width}, {channels} channels"]


def _check_classes(path: Path, classes: list[str]) -> list[str]:
    if not _FEWEST_CLASSES <= len(classes) <= _MOST_CLASSES:
        raise InputError(
            f"{path} holds {len(classes):,} classes ({_shorten(classes)}); expected"
            f" {_FEWEST_CLASSES} to {_MOST_CLASSES}"
        )
    for name in classes:
        if in_utf8(name) != name:
            raise InputError(f"{path} holds the class {name!a}; expected a name in UTF-8")
    repeated = [name for name, count in Counter(classes).items() if count > 1]
    if repeated:
        raise InputError(f"{path} holds the class {repeated[0]} more than once")
    return classes


def _by_number(name: str) -> tuple[int, int, str]:
    """Numbers by their value, before other names."""
    return (0, int(name), name) if re.fullmatch(r"-?\d+", name, re.ASCII) else (1, 0, name)


def _list_others(path: Path) -> str:
    """The files at a path itself."""
    files = [file.name for file in path.iterdir() if file.is_file() and not why_aside(file)]
    return f"the files there: {_shorten(files) or 'none'}"


def _shorten(names: Iterable[str]) -> str:
    shown = sorted(names, key=_by_number)
    more = f", … ({len(shown):,} in all)" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more


_READERS: dict[str, tuple[str, Callable[[Path, Options], Candidate]]] = {
    "idx": ("the four IDX files of the MNIST family", _understand_idx),
    "npz": ("an npz file with the names of MedMNIST or Keras", _understand_npz),
    "folders": ("a folder of pictures for each class", _understand_folders),
    "table": ("a table", _understand_table),
}
