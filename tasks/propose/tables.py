"""What a table of labels is: its parts, and which of its columns hold images, labels and splits."""

import os
import re
from collections import Counter
from collections.abc import Iterable
from itertools import chain, islice
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np

from tasks.images.files import list_files, why_aside
from tasks.ingest.parameters import TableParameters
from tasks.ingest.rows import TABLE_ENDINGS, as_text, column_names, first_row, kind_of, read_rows
from tasks.ingest.source import PARTS
from tasks.ingest.table import find_file, pixel_columns
from tasks.propose.options import Options
from tasks.propose.pictures import CHOICE, EXACT
from tasks.runner.errors import InputError

_LABELS = re.compile(
    "labels?|class(es)?|(class|label) name|category|target|kind|species|breed|emotion|y|diagnosis"
    "|dx"
)
_SPLITS = re.compile(
    "split|(sub|data ?)?set|usage|part(ition)?|phase|k?fold|mode|is (test|train|training)"
)
# Beside the usual words, in lower case: those of the faces of FER.
_WORDS = PARTS | {"publictest": "train", "privatetest": "test"}
_SAMPLE = 200
_SHOWN = 4
_FEWEST_PIXELS = 16
_MOST_VALUES = 2000
_PIXELS = re.compile(r"[\[(]?\s*\d{1,3}([\s,]+\d{1,3}){15,}\s*[\])]?")


Parts = dict[str, list[Path]]
Cells = dict[str, tuple[Any, ...]]  # of each column, in the first rows
Counts = dict[str, Counter[str | None]]  # of each value of each column


def find_tables(path: Path) -> list[Path]:
    """The tables at a path, or in the folder that it is, two levels deep."""
    if path.suffix.lower() in TABLE_ENDINGS and path.is_file():
        return [path]
    found = [*path.glob("*"), *path.glob("*/*")]
    return sorted(
        table
        for table in found
        if table.suffix.lower() in TABLE_ENDINGS
        and table.is_file()
        and why_aside(table) in (None, "a table")
    )


def understand_tables(
    path: Path, options: Options
) -> tuple[TableParameters, Counter[str | None], list[str]]:
    """The tables at a path and their columns, how often each label occurs, and what to tell.

    What can't be known is asked for by an option.
    """
    found = find_tables(path)
    root = path.parent if path.is_file() else path
    parts, lines = _split_into_parts(root, found)
    first = next(iter(parts.values()))[0]
    files = _by_name(first.parent)
    header = not _is_data(first, files)
    names = column_names(first, header=header)
    lines.append(f"columns: {_shorten(names)}" + ("" if header else " (there is no header)"))
    sample = list(islice(read_rows(first, names, header=header), _SAMPLE))
    if not sample:
        raise InputError(f"{first} has no rows; expected one for each image")
    by_name = dict(zip(names, zip(*sample, strict=True), strict=True))
    images = _find_images(first, by_name, files, options)
    pattern = images["image_column"]
    pixels = pixel_columns(names, pattern, others=(options.label_column, options.split_column))
    if len(pixels) == len(names) > 1:
        raise _ask(first, "labels", names, "--label-column")
    others = [name for name in names if name not in pixels]
    counts = {table: _count(table, others, header=header) for table in chain(*parts.values())}
    values = {name: _add(counts.values(), name) for name in others}
    splits = _split_columns(first, values, options)
    label = _find_labels(first, values, splits, options)
    parts, aside = _leave_aside(parts, counts, {label} | {pattern} & values.keys())
    split = _find_split(first, values, splits, options, has_parts=len(parts) > 1)
    if split["split_column"]:
        parts, more = _leave_aside(parts, counts, {split["split_column"]})
        aside += more
    lines += aside
    labels = _add((counts[table] for table in chain(*parts.values())), label)
    if not labels:
        raise InputError(
            f"{first}: the column {label} holds lists or records; expected one name or number per"
            " image. Another one? --label-column"
        )
    source = TableParameters(
        format="table",
        path=str(root),
        tables={  # pyright: ignore[reportArgumentType]
            part: tuple(os.fspath(table.relative_to(root)) for table in tables)
            for part, tables in parts.items()
        },
        header=header,
        label_column=label,
        labels="names",
        **images,
        **split,
        max_faulty_share=1.0,
        **EXACT,
        **CHOICE,
    )
    lines += [
        *(f"{part}: {', '.join(names)}" for part, names in source.tables.items()),
        f"{source.images}: the column {pattern} (--path-column)",
        f"labels: the column {label} (--label-column)",
        f"parts: {source.split_column or 'no column'} (--split-column)",
    ]
    return source, labels, lines


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


def _split_into_parts(root: Path, found: list[Path]) -> tuple[Parts, list[str]]:
    """The tables of each part, train first, and what is left aside."""
    parts: Parts = {}
    plain = []
    for table in found:
        tokens = re.split(r"[^a-z]+", os.fspath(table.relative_to(root)).lower())
        words = [PARTS[token] for token in tokens if token in PARTS]
        if words:
            parts.setdefault(words[-1], []).append(table)
        else:
            plain.append(table)
    if "train" in parts:
        aside = plain
    elif plain and (len(plain) == 1 or all(kind_of(table) == "Parquet" for table in plain)):
        parts, aside = {"train": plain} | parts, []
    elif not plain and parts:
        parts, aside = {"train": parts["test"]}, []
    else:
        raise InputError(
            f"{root} holds {len(plain)} tables ({_shorten([table.name for table in plain])}):"
            " name one as PATH, or call those of the parts train.csv and test.csv"
        )
    lines = [f"left aside: the table {table.name}, which names no part" for table in aside]
    return {part: parts[part] for part in ("train", "test") if part in parts}, lines


def _is_data(table: Path, files: dict[str, Path]) -> bool:
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
            or _names_file(table, name, cells[0], files)
        )
        for name, cells in zip(row, zip(*rows, strict=True), strict=False)
    )


def _names_file(table: Path, first: str, second: str | None, files: dict[str, Path]) -> bool:
    """Whether the first cell of a column names a file, in the same way as the second."""
    way = _find_file(table, first, files)
    return way is not None and way == _find_file(table, as_text(second) or "", files)


def _find_images(
    table: Path, sample: Cells, files: dict[str, Path], options: Options
) -> dict[str, Any]:
    """The column that holds paths, files or pixels."""
    columns = {
        name: [cell for cell in cells if not _is_blank(cell)] for name, cells in sample.items()
    }
    wanted = options.path_column
    if wanted is not None and wanted not in columns and "*" not in wanted:
        raise _ask(table, "images", list(columns), "--path-column")
    if wanted is not None:
        columns = {name: cells for name, cells in columns.items() if name == wanted}
    groups = Counter(re.sub(r"\d+", "*", name) for name in columns if re.search(r"\d", name))
    large = [pattern for pattern, number in groups.items() if number >= _FEWEST_PIXELS]
    if wanted is not None and "*" in wanted:
        large = [wanted]
    kinds = dict.fromkeys(large, ("pixels", "{}")) or _find_cells(columns)
    if not kinds:
        kinds = {name: ("files", path) for name, path in _find_files(table, columns, files).items()}
    if not kinds:
        first = {name: str(cells[0])[:40] for name, cells in islice(sample.items(), _SHOWN)}
        raise InputError(
            f"{table} has no column whose values name files that are there. Its first row: {first}."
            " Expected paths relative to the table's folder, in the same case"
        )
    if len(kinds) != 1:
        raise _ask(table, "images", list(kinds), "--path-column")
    ((name, (kind, template)),) = kinds.items()
    return {"images": kind, "image_column": name, "file_names": template}


def _find_cells(columns: dict[str, list[Any]]) -> dict[str, tuple[str, str]]:
    """The columns that hold files or all pixels of an image."""
    kinds = {}
    for name, cells in columns.items():
        if any(
            isinstance(cell, bytes) or (isinstance(cell, dict) and "bytes" in cell)
            for cell in cells
        ):
            kinds[name] = "bytes", "{}"
        elif any(map(_are_pixels, cells[:1])):
            kinds[name] = "pixels", "{}"
    return kinds


def _is_blank(cell: object) -> bool:
    return cell is None or cell == ""


def _are_pixels(cell: object) -> bool:
    """Whether a cell holds the pixels of an image, in text or as a list."""
    if isinstance(cell, list):
        return np.asarray(cell, object).size >= _FEWEST_PIXELS
    return _PIXELS.fullmatch(str(cell)) is not None


def _by_name(folder: Path) -> dict[str, Path]:
    """The files in a folder, by their names with the ending and without."""
    return {
        normalize("NFC", name): file
        for file in list_files(folder).files
        for name in (file.stem, file.name)
    }


def _find_files(
    table: Path, columns: dict[str, list[Any]], files: dict[str, Path]
) -> dict[str, str]:
    """The columns whose values name files, and how: `{}` is the value."""
    texts = {
        name: [normalize("NFC", as_text(cell) or "").replace("\\", "/") for cell in cells]
        for name, cells in columns.items()
        if not any(isinstance(cell, list | dict) for cell in cells)
    }
    # A label may be the name of a file; the column of paths has hardly a value twice.
    several = {name: cells for name, cells in texts.items() if len(set(cells)) > len(cells) / 2}
    found: dict[str, str] = {}
    for name, cells in (several or texts).items():
        templates = Counter(filter(None, (_find_file(table, cell, files) for cell in cells)))
        if templates:
            found[name] = templates.most_common(1)[0][0]
    return found


def _find_file(table: Path, text: str, files: dict[str, Path]) -> str | None:
    """How a cell names a file; its path may begin with the name of the table's folder itself."""
    for above in ("", "../", "../../"):
        if _is_file(table.parent, f"{above}{text}"):
            return f"{above}{{}}"
    file = files.get(text.rpartition("/")[2])
    relative = normalize("NFC", file.relative_to(table.parent).as_posix()) if file else ""
    if not text or text not in relative:
        return None
    start, _, end = relative.rpartition(text)
    return f"{start.replace(table.stem, '{table}')}{{}}{end}"


def _is_file(folder: Path, name: str) -> bool:
    """Whether a cell names a file; it may be a caption, or what no file can be called."""
    return bool(name) and os.path.isfile(find_file(folder, name))  # noqa: PTH113 - a Path's own raises


def _count(table: Path, columns: list[str], *, header: bool) -> Counts:
    """The values of those columns that the table has, and that may hold labels or splits."""
    there = set(column_names(table, header=header))
    values: Counts = {name: Counter() for name in columns if name in there}
    for row in read_rows(table, list(values), header=header):
        for counts, cell in zip(values.values(), row, strict=True):
            # What has so many values is neither a label nor a split.
            if len(counts) <= _MOST_VALUES and not isinstance(cell, list | dict | bytes):
                counts[as_text(cell)] += 1
    return values


def _add(tables: Iterable[Counts], column: str) -> Counter[str | None]:
    """How often each value of a column occurs in several tables."""
    return sum((values.get(column, Counter()) for values in tables), Counter())


def _leave_aside(
    parts: Parts, counts: dict[Path, Counts], needed: set[str]
) -> tuple[Parts, list[str]]:
    """The tables that have the columns that are needed, and what to tell of the others."""
    kept: Parts = {}
    lines = []
    for part, tables in parts.items():
        for table in tables:
            if missing := needed - counts[table].keys():
                lines.append(f"left aside: {table.name}, which has no column {min(missing)}")
            else:
                kept.setdefault(part, []).append(table)
    return kept, lines


def _split_columns(table: Path, values: Counts, options: Options) -> list[str]:
    """The columns that may hold the parts."""
    wanted = options.split_column
    if wanted == "none":
        return []
    if wanted not in (None, *values):
        raise _ask(table, "splits", list(values), "--split-column")
    if wanted is not None:
        return [wanted]
    return [name for name in values if _SPLITS.fullmatch(_plain(name))] or [
        name
        for name, counts in values.items()
        if not _LABELS.fullmatch(_plain(name))
        and name != options.label_column
        and {str(value).lower() for value in counts} <= _WORDS.keys()
    ]


def _find_split(
    table: Path, values: Counts, columns: list[str], options: Options, *, has_parts: bool
) -> dict[str, Any]:
    """The column that holds the parts, and what its values mean."""
    if not columns or (options.split_column is None and has_parts):
        if options.test_values:
            raise InputError("--test-values are those of a column. Which? --split-column NAME")
        return {"split_column": None, "split_values": None}
    (name, *more) = columns
    meaning = None if more else _read_meaning(name, values[name], options)
    if meaning is None:
        shown = _shorten([str(value) for value in values[name]])
        raise InputError(
            f"{table} has the column {name}, which may say what a test image is: {shown}. Say so:"
            f" --split-column '{name}' --test-values …; or --split-column none"
        )
    is_usual = all(PARTS.get(value.lower()) == part for value, part in meaning.items())
    return {"split_column": name, "split_values": None if is_usual else meaning}


def _read_meaning(
    name: str, counts: Counter[str | None], options: Options
) -> dict[str, str] | None:
    """The part that each value of a column stands for; None if that can't be known."""
    found = sorted(value for value in counts if value is not None)
    if options.test_values:
        tests = {as_text(value) for value in options.test_values}
        if not tests < set(found):
            raise InputError(
                f"--test-values {' '.join(options.test_values)}: the column {name} holds"
                f" {_shorten(found)}. Expected some of those, and not all"
            )
        return {value: "test" if value in tests else "train" for value in found}
    if len(found) == len(counts) and all(value.lower() in _WORDS for value in found):
        return {value: _WORDS[value.lower()] for value in found}
    words = _plain(name).split()
    yes = next((PARTS[word] for word in words if word in PARTS), None)
    if yes and {value.lower() for value in found} in ({"0", "1"}, {"false", "true"}):
        no = {"train": "test", "test": "train"}[yes]
        return {value: yes if value.lower() in ("1", "true") else no for value in found}
    return None


def _find_labels(table: Path, values: Counts, splits: list[str], options: Options) -> str:
    if options.label_column is not None:
        if options.label_column not in values:
            raise _ask(table, "labels", list(values), "--label-column")
        return options.label_column
    others = [
        name for name in values if name not in splits and not _plain(name).startswith("unnamed")
    ]
    named = [name for name in others if _LABELS.fullmatch(_plain(name))] or [
        name for name in others if name
    ]
    if len(named) != 1:
        flags = [name for name in named if values[name].keys() <= {"0", "1"}]
        several = (
            f"; {_shorten(flags)} hold 0 and 1: if one is 1 in each row, make one column of them"
        )
        raise _ask(table, "labels", named, "--label-column", several if len(flags) > 1 else "")
    return named[0]


def _plain(name: str) -> str:
    """A column's name in lower case, its words apart."""
    return re.sub(r"[\W_]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)).strip().lower()


def _shorten(names: list[str]) -> str:
    more = f", … ({len(names):,} in all)" if len(names) > _SHOWN else ""
    return ", ".join(name[:40] for name in names[:_SHOWN]) + more


def _ask(table: Path, what: str, names: list[str], option: str, seen: str = "") -> InputError:
    return InputError(
        f"{table} has {len(names)} columns that may hold {what} ({_shorten(names) or 'none'});"
        f" expected one. Name it: {option}{seen}"
    )
