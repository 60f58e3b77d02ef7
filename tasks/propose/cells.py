"""Which column of a table holds images, and how its values name their files."""

import os
import re
from collections import Counter
from itertools import chain, islice
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np

from tasks.images.decode import is_picture
from tasks.images.errors import ImageError
from tasks.images.files import list_files, read_file
from tasks.ingest.parameters import TableParameters
from tasks.ingest.rows import as_text, column_names, first_row, kind_of, read_rows
from tasks.ingest.table import image_path, pixel_columns
from tasks.propose.columns import ask_column
from tasks.propose.options import Options
from tasks.runner.errors import InputError

_SAMPLE = 200
_SHOWN = 4
_FEWEST_PIXELS = 16
_PIXELS = re.compile(r"[\[(]?\s*\d{1,3}([\s,]+\d{1,3}){15,}\s*[\])]?")


class Files:
    """The files that tables may name; a folder is listed once, when a bare name is looked for."""

    def __init__(self, options: Options) -> None:
        self._wanted = options.file_names
        self._listed: dict[Path, dict[str, list[Path]]] = {}

    def find(self, table: Path, cell: object) -> set[str]:
        """The ways in which a cell names a file, of which `{}` is the cell.

        Its path may begin with the name of the table's folder itself. What lies at that path is
        meant; else, all files that are called so, with an ending or without, in any folder.
        """
        text = normalize("NFC", as_text(cell) or "").replace("\\", "/")
        for way in [self._wanted] if self._wanted else ["{}", "../{}", "../../{}"]:
            # It may be a caption, or what no file can be called, of which a Path's own raises.
            if text and os.path.isfile(image_path(table, cell, names=way)):  # noqa: PTH113
                return {way}
        if self._wanted:
            return set()
        folder, name = table.parent, text.rpartition("/")[2]
        if folder not in self._listed:
            self._listed[folder] = _by_name(folder)
        ways = set()
        for file in _choose(self._listed[folder].get(name, []), name):
            path = normalize("NFC", file.relative_to(folder).as_posix())
            ending = normalize("NFC", file.name)[len(name) :]
            start = path[: len(path) - len(ending)]
            if f"/{start}".endswith(f"/{text}"):
                ways.add(f"{start.removesuffix(text)}{{}}{ending}")
        return ways


def is_data(table: Path, files: Files) -> bool:
    """Whether the first row is no header.

    It holds pixels, a number twice, or, in some column, what another row holds there: a file that
    is named in the same way, or the very same words. Numbers that count on are a header, as pandas
    writes it, unless they name files.
    """
    if kind_of(table) != "CSV":
        return False
    row = first_row(table)
    numbers = [cell for cell in row if re.fullmatch(r"-?\d+(\.\d+)?", cell.strip())]
    if len(set(numbers)) < len(numbers) or any(map(_are_pixels, row)):
        return True
    if len(set(row)) < len(row):
        return False  # a header that is refused in words
    is_counting = numbers == [str(number) for number in range(len(numbers))]
    if is_counting and len(numbers) >= _FEWEST_PIXELS:
        return False
    rows = list(islice(read_rows(table, row, header=True), _SAMPLE))
    return any(
        name
        and (
            (name in cells and not (is_counting and numbers == row))
            or files.find(table, name) & files.find(table, cells[0])
        )
        for name, cells in zip(row, zip(*rows, strict=True), strict=False)
    )


def find_images(
    table: Path, names: list[str], files: Files, options: Options, *, header: bool
) -> tuple[str, str]:
    """What a table holds, files, bytes or pixels, and in which of the named columns."""
    rows = list(islice(read_rows(table, names, header=header), _SAMPLE))
    if not rows:
        raise InputError(f"{table} has no rows; expected one for each image")
    columns = {
        name: [cell for cell in cells if not _is_blank(cell)]
        for name, cells in zip(names, zip(*rows, strict=True), strict=True)
    }
    wanted = options.path_column
    if wanted is not None and "*" in wanted and pixel_columns(names, wanted, others=()):
        return "pixels", wanted
    if wanted is not None and wanted not in columns:
        raise ask_column(table, "images", names, "--path-column")
    if wanted is not None:
        columns = {wanted: columns[wanted]}
    groups = Counter(re.sub(r"\d+", "*", name) for name in columns if re.search(r"\d", name))
    large = [pattern for pattern, number in groups.items() if number >= _FEWEST_PIXELS]
    kinds = dict.fromkeys(large, "pixels") or _find_cells(columns)
    if not kinds:
        kinds = dict.fromkeys(_find_files(table, columns, files), "files")
    if not kinds:
        first = {name: str(cell)[:40] for name, cell in zip(names[:_SHOWN], rows[0], strict=False)}
        raise InputError(
            f"{table} has no column whose values name files that are there. Its first row: {first}."
            " Expected paths relative to the table's folder, in the same case"
        )
    if len(kinds) != 1:
        raise ask_column(table, "images", list(kinds), "--path-column")
    ((name, kind),) = kinds.items()
    return kind, name


def find_ways(tables: list[Path], column: str, files: Files, *, header: bool) -> list[str]:
    """The ways in which the values of a column name files, in all tables, the best first.

    `{table}` stands for a table's name, where the files of each lie under it. Another way leads to
    other files for at least half of the values.
    """
    several = len({table.stem for table in tables}) > 1
    found: list[list[set[str]]] = []  # the ways of each of the first cells of each table
    for table in tables:
        rows = islice(read_rows(table, [column], header=header), _SAMPLE)
        ways = [files.find(table, cell) for (cell,) in rows]
        if several:
            ways = [own | {_with_table(way, table) for way in own} for own in ways]
        found.append(ways)
    counts = [Counter(chain.from_iterable(ways)) for ways in found]
    total = sum(counts, Counter())
    ways = sorted(total)
    common = [way for way in ways if all(way in own for own in counts)] or ways
    best = max(common, key=lambda way: total[way], default="{}")
    return [best] + [
        way
        for way in common
        if way != best
        and all(
            2 * sum(ways >= {best, way} for ways in cells) >= own[best]
            for cells, own in zip(found, counts, strict=True)
        )
    ]


def shape_of_pixels(source: TableParameters, table: Path) -> tuple[int, ...]:
    """That of the first image of a table of pixels: nested as it is there, or their number."""
    others = (source.label_column, source.split_column)
    names = column_names(table, header=source.header)
    columns = pixel_columns(names, source.image_column, others=others)
    if len(columns) > 1:
        return (len(columns),)
    cells = (cell for (cell,) in read_rows(table, columns, header=source.header))
    cell = next(cell for cell in cells if not _is_blank(cell))
    return np.shape(np.array(re.findall(r"\d+", cell) if isinstance(cell, str) else cell, object))


def _find_cells(columns: dict[str, list[Any]]) -> dict[str, str]:
    """The columns that hold files or all pixels of an image."""
    kinds = {}
    for name, cells in columns.items():
        if any(
            isinstance(cell, bytes) or (isinstance(cell, dict) and "bytes" in cell)
            for cell in cells
        ):
            kinds[name] = "bytes"
        elif any(map(_are_pixels, cells[:1])):
            kinds[name] = "pixels"
    return kinds


def _is_blank(cell: object) -> bool:
    return cell is None or cell == ""


def _are_pixels(cell: object) -> bool:
    """Whether a cell holds the pixels of an image, in text or as a list."""
    if isinstance(cell, list):
        return np.asarray(cell, object).size >= _FEWEST_PIXELS
    return _PIXELS.fullmatch(str(cell)) is not None


def _find_files(table: Path, columns: dict[str, list[Any]], files: Files) -> list[str]:
    """The columns whose values name files."""
    texts = {
        name: [as_text(cell) or "" for cell in cells]
        for name, cells in columns.items()
        if not any(isinstance(cell, list | dict) for cell in cells)
    }
    # A label may be the name of a file; the column of paths has hardly a value twice.
    several = {name: cells for name, cells in texts.items() if len(set(cells)) > len(cells) / 2}
    return [
        name
        for name, cells in (several or texts).items()
        if any(files.find(table, cell) for cell in cells)
    ]


def _by_name(folder: Path) -> dict[str, list[Path]]:
    """The files in a folder, by their names with the ending and without."""
    found: dict[str, list[Path]] = {}
    for file in list_files(folder).files:
        for name in {file.stem, file.name}:
            found.setdefault(normalize("NFC", name), []).append(file)
    return found


def _choose(files: list[Path], name: str) -> list[Path]:
    """Of files with a name, the pictures, if there are some; of these, those without an ending."""
    if len(files) > 1:
        files = [file for file in files if _is_picture(file)] or files
    return [file for file in files if normalize("NFC", file.name) == name] or files


def _is_picture(file: Path) -> bool:
    try:
        return is_picture(read_file(file, name=str(file), follow_links=True))
    except ImageError:
        return False


def _with_table(way: str, table: Path) -> str:
    start, _, end = way.rpartition("{}")
    return f"{start.replace(table.stem, '{table}')}{{}}{end}"
