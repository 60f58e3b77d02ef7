"""Tables a batch of rows at a time: Parquet, JSON in lines, CSV with any of the usual delimiters.

PyArrow reads them, in bounded memory; the cells of CSV are text, whatever they look like.
"""

import codecs
import csv
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from tasks.runner.errors import InputError

_KINDS = {".csv": "CSV", ".tsv": "CSV", ".parquet": "Parquet", ".jsonl": "JSON"}
TABLE_ENDINGS = tuple(_KINDS)
_DELIMITERS = ",;\t|"
# No row may be longer: the pixels of one image stand in one.
_BLOCK_BYTES = 2**24
_ROWS_AT_ONCE = 1024
_IMAGES_AT_ONCE = 256  # files in Parquet
_SHOWN = 12


def kind_of(path: Path) -> str:
    """What a table is, the ending of its name says, in any case: CSV, JSON or Parquet."""
    ending = path.suffix.lower()
    if ending not in _KINDS:
        raise InputError(
            f"{path} ends in {ending or 'nothing'}; expected {', '.join(TABLE_ENDINGS)}. Unpack it,"
            " save it as CSV in UTF-8, say, and name that in ingest.tables of params.yaml"
        )
    return _KINDS[ending]


def column_names(path: Path, *, header: bool) -> list[str]:
    """The names of a table's columns; without a header they are numbered from 1."""
    names = first_row(path)
    if not header:
        names = [str(number) for number in range(1, len(names) + 1)]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(
            f"{path} has the columns {', '.join(names)}; more than once: {', '.join(repeated)}."
            " Rename them"
        )
    return names


def first_row(path: Path) -> list[str]:
    """The names of the columns, or what stands in their place in a table without a header."""
    with _naming(path):
        if (kind := kind_of(path)) != "CSV":
            with _open(path) as file:
                return list((file.schema_arrow if kind == "Parquet" else file.schema).names)
        with path.open("rb") as file:
            if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                raise InputError(f"{path} is in UTF-16; expected UTF-8. {_to_utf8(path, 'UTF-16')}")
        _, first = next(_read_slowly(path), (0, None))
    if first is None:
        raise InputError(f"{path} can't be read as CSV: it is empty. Expected a row per image")
    return first


def read_batches(path: Path, columns: Sequence[str], *, header: bool) -> Iterator[list[Any]]:
    """Some columns of a table, as PyArrow's arrays, at most 1,024 rows at a time.

    Of Hugging Face's numbered classes, -1 is a missing one.
    """
    from pyarrow import array

    names = column_names(path, header=header)
    missing = [column for column in columns if column not in names]
    if missing:
        raise InputError(
            f"{path} has the columns {', '.join(names)}; missing: {', '.join(missing)}"
        )
    wanted = list(dict.fromkeys(columns))
    numbered = {column for column in wanted if _class_names(path, column)}
    with _naming(path), _open(path, wanted, names=None if header else names) as file:
        is_parquet = kind_of(path) == "Parquet"
        for batch in file.iter_batches(_IMAGES_AT_ONCE, columns=wanted) if is_parquet else file:
            for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
                part = batch.slice(start, _ROWS_AT_ONCE)
                cells = {column: part.column(column) for column in wanted}
                for column in numbered:
                    numbers = cells[column].to_pylist()
                    cells[column] = array([None if each == -1 else each for each in numbers])
                yield [cells[column] for column in columns]


def read_rows(path: Path, columns: Sequence[str], *, header: bool) -> Iterator[tuple[Any, ...]]:
    """Some columns of a table, row by row: text from CSV, Python's values from the others."""
    for batch in read_batches(path, columns, header=header):
        with _naming(path):
            values = [column.to_pylist() for column in batch]
        yield from zip(*values, strict=True)


def as_pixels(columns: list[Any]) -> np.ndarray | None:
    """PyArrow's arrays of a pixel per row as (rows, columns) uint8; None if a cell is no pixel."""
    from pyarrow import ArrowException, uint8

    try:
        return np.stack([column.cast(uint8()).to_numpy() for column in columns], axis=1)
    except ArrowException:
        return None


def class_names(tables: Iterable[Path], column: str) -> list[str] | None:
    """The names of numbered classes, where Parquet files of Hugging Face's say them.

    Raises:
        InputError: one says others than another, so that a number is two classes.

    """
    said = [(table, names) for table in tables if (names := _class_names(table, column))]
    for table, names in said:
        first, expected = said[0]
        if names != expected:
            pairs = enumerate(zip_longest(names, expected))
            number = next(place for place, (own, other) in pairs if own != other)
            raise InputError(
                f"The numbers in the column {column} are other classes in {table}"
                f" ({_list_names(names, number)}) than in {first}"
                f" ({_list_names(expected, number)}). Save both with the same list of names, or"
                " with the names in place of the numbers"
            )
    return said[0][1] if said else None


def _class_names(path: Path, column: str) -> list[str] | None:
    if kind_of(path) != "Parquet":
        return None
    with _naming(path), _open(path) as file:
        metadata = file.schema_arrow.metadata or {}
    try:
        feature = json.loads(metadata[b"huggingface"])["info"]["features"][column]
        return [str(name) for name in feature["names"]]
    except (KeyError, TypeError, ValueError):
        return None


def _list_names(names: list[str], first: int) -> str:
    """Some of the names with their numbers, from a number on."""
    shown = [f"{first + place}: {name}" for place, name in enumerate(names[first:][:_SHOWN])]
    return ", ".join(shown or [f"none is {first}"]) + f"; {len(names):,} in all"


def as_text(value: object) -> str | None:
    """A label as text: whole numbers without a point, nothing for a missing one.

    Lists and records are refused.
    """
    if value is None or value != value:
        # Only NaN differs from itself.
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list | dict | bytes):
        raise InputError(
            f"A label, part or path is {str(value)[:60]!r}; expected one name or number per image."
            " Name another column in ingest of params.yaml"
        )
    text = str(value).strip()
    whole, point, zeros = text.partition(".")
    if point and not zeros.strip("0") and whole.lstrip("-").isdecimal():
        return whole
    return text or None


def _find_delimiter(path: Path) -> str:
    with path.open(encoding="utf-8-sig", newline="") as file:
        line = re.sub(r'"[^"]*"', "", file.readline())
    if path.suffix.lower() == ".tsv" and "\t" in line:
        return "\t"
    return max(_DELIMITERS, key=line.count)


def _read_slowly(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of CSV that aren't empty, each with the line in which it ends."""
    csv.field_size_limit(_BLOCK_BYTES)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, delimiter=_find_delimiter(path), strict=True)
        end = 0
        try:
            for row in rows:
                if row:
                    yield rows.line_num, row
                end = rows.line_num
        except csv.Error as error:
            raise InputError(
                f"{path} can't be read as CSV: {error}, in the row that begins in line {end + 1}."
                " Look for a quote there that isn't closed"
            ) from None


@lru_cache
def _require_rows(path: Path, _modified: int) -> None:
    """Refuses a row with another number of values than the first, and a quote out of place."""
    rows = _read_slowly(path)
    _, names = next(rows)
    for line, row in rows:
        if len(row) != len(names):
            raise InputError(
                f"{path}: the row that ends in line {line} has {len(row)} values for {len(names)}"
                f" columns, from {','.join(row)[:60]!r} on. Mend or remove it"
            )


def _open(path: Path, columns: Iterable[str] = (), *, names: list[str] | None = None) -> Any:
    """What PyArrow reads a table with; of CSV, some columns, which bear names, or those it has."""
    # Most sources need no table; PyArrow takes longer to import than all else here.
    from pyarrow import csv, json, string

    if kind_of(path) == "Parquet":
        from pyarrow.parquet import ParquetFile

        return ParquetFile(path)
    if kind_of(path) == "JSON":
        return json.open_json(path, json.ReadOptions(block_size=_BLOCK_BYTES))
    with path.open("rb") as file:
        file.readline()
        # What follows a quote below the first line, PyArrow takes as it may.
        if any(b'"' in block for block in iter(partial(file.read, _BLOCK_BYTES), b"")):
            _require_rows(path, path.stat().st_mtime_ns)
    return csv.open_csv(
        path,
        csv.ReadOptions(block_size=_BLOCK_BYTES, column_names=names),
        csv.ParseOptions(delimiter=_find_delimiter(path), newlines_in_values=True),
        csv.ConvertOptions(column_types=dict.fromkeys(columns, string()), include_columns=columns),
    )


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turns whatever a broken table causes into one line that says what to do."""
    kind = kind_of(path)
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror or error}") from None
    except (ValueError, NotImplementedError) as error:
        # PyArrow's own are ValueError and NotImplementedError, too.
        is_text = kind != "Parquet"
        if is_text and ("UTF8" in str(error) or isinstance(error, UnicodeDecodeError)):
            raise InputError(
                f"{path} isn't in UTF-8, as {kind} is expected to be: {error}."
                f" {_to_utf8(path, 'WINDOWS-1252')}"
            ) from None
        if kind == "CSV":
            _require_rows(path, path.stat().st_mtime_ns)
        raise InputError(f"{path} can't be read as {kind}: {error}") from None


def _to_utf8(path: Path, encoding: str) -> str:
    source, target = shlex.quote(str(path)), shlex.quote(f"{path}.utf8")
    return f"Convert it: iconv -f {encoding} -t UTF-8 {source} > {target} && mv {target} {source}"
