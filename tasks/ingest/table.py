"""Source table: CSV or Parquet files of labels beside images, or with the images inside.

A row names the file of an image, holds that file, as the Hugging Face hub has it, or holds its
pixels, in one cell or in a column for each.
"""

import glob
import math
import operator
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tasks.core.parameters import DataParameters
from tasks.images.errors import ImageError, Tally
from tasks.images.files import read_file
from tasks.images.policy import ImagePolicy
from tasks.ingest.parameters import TableParameters
from tasks.ingest.rows import as_pixels, as_text, class_names, column_names, read_batches, read_rows
from tasks.ingest.source import PARTS, Entry, Source
from tasks.runner.errors import InputError, name_some

_NO_LABEL = {"train": "without a label", "test": "of the test, without a label"}


class _Row(NamedTuple):
    name: str
    label: str
    part: str


def read_table(source: TableParameters, data: DataParameters) -> Source:
    """Reads labels and parts; images are read later, one by one."""
    root = Path(source.path)
    policy = ImagePolicy.of(data, source)
    aside = Tally()
    found = list(find_tables(source))
    if source.labels == "numbers":
        class_names((table for _, table in found), source.label_column)
    tables = [(table, list(_read_labels(source, table, part, aside))) for part, table in found]
    rows = [row for _, table_rows in tables for row in table_rows if row]
    positions = _positions((row.label for row in rows), data.classes, kind=source.labels)
    unknown = (row.part for row in rows if row.part.lower() not in PARTS)
    _refuse(
        "parts", unknown, f"{', '.join(PARTS)}, or ingest.split_values, which says what they are"
    )
    num = aside.counts.get(_NO_LABEL["test"], 0)
    if num and all(PARTS[row.part.lower()] != "test" for row in rows):
        raise InputError(
            f"None of the {num:,} rows of the part test has a label; expected labelled images to"
            " test on. Add the labels; or, to have test images chosen from the others, take the"
            " part out: tables of it out of ingest.tables, or ingest.split_column: null in"
            " params.yaml, which is --split-column none of pipeline propose"
        )
    if source.images == "files":
        resolved = root.resolve()
        outside = (row.name for row in rows if not _stays_inside(resolved, Path(row.name)))
        _refuse("paths", outside, f"paths that stay in the folder {root}")
    return Source(
        entries=(
            Entry(row.name, positions[row.label], PARTS[row.part.lower()], load)
            for table, table_rows in tables
            for row, load in zip(table_rows, _load_images(source, table, policy.shape), strict=True)
            if row
        ),
        num_images=len(rows),
        published=False,
        max_faulty_share=source.max_faulty_share,
        choice=source,
        policy=policy,
        origin={"data_set": data.name, "format": "table"},
        aside=aside,
    )


def find_tables(source: TableParameters) -> Iterator[tuple[str, Path]]:
    """The tables of each part; there must be one of each name."""
    root = Path(source.path)
    for part, pattern in ((part, name) for part, names in source.tables.items() for name in names):
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
            raise InputError(
                f"ingest.tables in params.yaml names {pattern}; expected a name in {root}. Use one"
            )
        found = sorted(root.glob(_only_stars(pattern)))
        if not found:
            raise InputError(f"{root / pattern} can't be read: there is no such table")
        yield from ((part, table) for table in found)


def pixel_columns(names: Iterable[str], pattern: str, *, others: Iterable[str | None]) -> list[str]:
    """The columns of pixels: those of a pattern with `*`, but for the others, or the one column.

    Where `*` stands for a number in several, only these are meant: p* is p0 and p1, not part. They
    stand in the order of their numbers, of which pixel10 comes after pixel2.

    Raises:
        InputError: their order isn't that of their numbers, which say more than a pixel's place.

    """
    wanted = _only_stars(pattern)
    found = [name for name in names if fnmatchcase(name, wanted) and name not in others]
    numbered = re.compile(r"\d+".join(map(re.escape, pattern.split("*"))))
    exact = [name for name in found if numbered.fullmatch(name)]
    found = exact if len(exact) > 1 else found
    numbers = {name: [int(digits) for digits in re.findall(r"\d+", name)] for name in found}
    ordered = sorted(found, key=lambda name: numbers[name])
    kinds = {(re.sub(r"\d+", "", name), len(numbers[name])) for name in found}
    if ordered != found and kinds != {(min(kinds)[0], 1)}:
        raise InputError(
            f"The columns {pattern} of pixels aren't in the order of their numbers: {found[0]},"
            f" {found[1]}, …; expected {ordered[0]}, {ordered[1]}, …: row by row, and the channels"
            " of a pixel beside each other. Order them so"
        )
    return ordered


def list_files(source: TableParameters, table: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """The name of each row's image file, and what gives its bytes; not of a table of pixels."""
    cells = read_rows(table, [source.image_column], header=source.header)
    for number, (cell,) in enumerate(cells, start=1):
        if source.images == "files":
            path = image_path(table, cell, names=source.file_names)
            read = partial(read_file, path.absolute(), name=str(path), follow_links=True)
            yield str(path), read
        else:
            name = f"{table}: row {number}"
            yield name, partial(_bytes_of, cell, name)


def image_path(table: Path, cell: object, *, names: str) -> Path:
    """The file that a cell names, as Windows does, or a Mac, which spells `é` in two characters."""
    name = names.replace("{table}", table.stem).replace("{}", as_text(cell) or "")
    name = name.replace("\\", "/")
    forms = [unicodedata.normalize(form, name) for form in ("NFC", "NFD")]
    paths = [table.parent / form for form in (*forms, name)]
    return next((path for path in paths if name.isascii() or os.path.lexists(path)), paths[-1])


def _only_stars(pattern: str) -> str:
    """A pattern in which nothing but `*` stands for other characters."""
    return glob.escape(pattern).replace("[*]", "*")


def parse_pixels(cells: Any, *, shape: tuple[int, int, int], name: str) -> np.ndarray:
    """(height, width, channels) uint8 of one image, from cells of a pixel each, or from one.

    That one holds them one after another, or nested as height, width and, of colour, channels.
    """
    if isinstance(cells, np.ndarray):
        return cells.reshape(shape)
    cell: Any = cells if len(cells) > 1 else cells[0]
    if isinstance(cell, str):
        cell = cell.strip("[]() \n").replace(",", " ").split()
    found = np.array(cell, object)  # whose numbers stay what they are
    flat = (math.prod(shape),)
    if found.shape not in (flat, shape, *([shape[:2]] if shape[2] == 1 else [])):
        seen = " × ".join(map(str, found.shape)) or repr(cell)[:40]
        expected = f": {seen}; expected {flat[0]}, or {' × '.join(map(str, shape))}"
        raise ImageError(name, "has pixels of another number or shape", expected)
    values = found.ravel().tolist()
    try:
        # int() would cut the number 0.5 down to 0.
        pixels = bytes(map(int if isinstance(values[0], str) else operator.index, values))
    except (ValueError, TypeError) as error:
        raise ImageError(
            name, "holds a pixel that is no whole number from 0 to 255", f": {error}"
        ) from None
    return np.frombuffer(pixels, np.uint8).reshape(shape)


def _read_labels(
    source: TableParameters, table: Path, part: str, aside: Tally
) -> Iterator[_Row | None]:
    """A row of a table for each image; None where there is no label."""
    columns = [source.label_column, source.split_column or source.label_column]
    if source.images == "files":
        columns.append(source.image_column)
    words = source.split_values or {}
    for number, values in enumerate(read_rows(table, columns, header=source.header), start=1):
        label = as_text(values[0])
        name = f"{table}: row {number}"
        if source.images == "files":
            name = str(image_path(table, values[2], names=source.file_names))
        if source.split_column:
            value = as_text(values[1]) or ""
            part = words.get(value, value)
        if label is None:
            aside.add(_NO_LABEL[PARTS.get(part.lower(), "train")], name)
            yield None
            continue
        yield _Row(name, label, part)


def _load_images(
    source: TableParameters, table: Path, shape: tuple[int, int, int]
) -> Iterator[Callable[[], np.ndarray | bytes]]:
    """What loads the image of each row."""
    if source.images != "pixels":
        yield from (read for _, read in list_files(source, table))
        return
    numbers = count(1)
    names = column_names(table, header=source.header)
    others = (source.label_column, source.split_column)
    # A misspelt one is missing in words.
    columns = pixel_columns(names, source.image_column, others=others) or [source.image_column]
    for batch in read_batches(table, columns, header=source.header):
        whole = as_pixels(batch) if len(batch) == math.prod(shape) else None
        rows = zip(*(column.to_pylist() for column in batch), strict=True)
        for row, number in zip(rows if whole is None else whole, numbers, strict=False):
            yield partial(parse_pixels, row, shape=shape, name=f"{table}: row {number}")


def _bytes_of(cell: object, name: str) -> bytes:
    content = cell.get("bytes") if isinstance(cell, dict) else cell
    if content is None and isinstance(cell, dict) and cell.get("path"):
        raise ImageError(name, "holds the path of an image, not its bytes", f": {cell['path']}")
    if not isinstance(content, bytes):
        raise ImageError(name, "holds no image")
    return content


def _stays_inside(root: Path, path: Path) -> bool:
    """Whether a path, its links to folders followed, leads to a place in the folder.

    A link in place of the file is taken as it is there: DVC's cache may be made of them.
    """
    try:
        place = path.parent.resolve() / path.name if path.is_symlink() else path.resolve()
        return place.is_relative_to(root)
    except (ValueError, RuntimeError, OSError):
        # A null byte; links that lead to each other; a name that is too long.
        return False


def _positions(labels: Iterable[str], classes: tuple[str, ...], *, kind: str) -> dict[str, int]:
    """The class of each label that there is."""
    known = classes if kind == "names" else tuple(str(number) for number in range(len(classes)))
    numbers = {name: place for place, name in enumerate(known)}
    counts = Counter(labels)
    # Classes are in this form already.
    places = {label: numbers.get(unicodedata.normalize("NFC", label), -1) for label in counts}
    wrong = (label for label in counts.elements() if places[label] < 0)
    _refuse("labels", wrong, ", ".join(known))
    return places


def _refuse(what: str, wrong: Iterable[str], expected: str) -> None:
    counts = Counter(wrong)
    if counts:
        found = [f"{value!r} ({count})" for value, count in counts.most_common()]
        raise InputError(
            f"{counts.total():,} rows of the table have {what} that can't be used:"
            f" {name_some(found)}. Expected: {expected}"
        )
