"""Tables row by row, in bounded memory: Parquet, or CSV with any of the usual delimiters."""

import codecs
import csv
import json
from collections.abc import Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from tasks.runner.errors import InputError

TABLE_ENDINGS = (".csv", ".tsv", ".parquet")
_DELIMITERS = ",;\t|"
# Of the pixels of one image in one cell.
_MAX_CELL = 2**26
_ROWS_AT_ONCE = 256
_ARROW_FAULTS = "can't be read as Parquet"


def column_names(path: Path, *, header: bool) -> list[str]:
    """The names of a table's columns; without a header they are numbered from 1.

    Raises:
        InputError: the table can't be read, or has two columns of one name.

    """
    names = first_row(path)
    if not header:
        names = [str(number) for number in range(1, len(names) + 1)]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(
            f"{path} has the columns {', '.join(names)}; more than once: {', '.join(repeated)}"
        )
    return names


def first_row(path: Path) -> list[str]:
    """The names of the columns, or what stands in their place in a table without a header."""
    if path.suffix == ".parquet":
        with _open_parquet(path) as file:
            return list(file.schema_arrow.names)
    first = next(_read_csv(path), None)
    if first is None:
        raise InputError(f"{path} can't be read as CSV: it is empty")
    return first


def read_rows(path: Path, columns: Sequence[str], *, header: bool) -> Iterator[tuple[Any, ...]]:
    """Some columns of a table, row by row: text from CSV, Python's values from Parquet.

    Raises:
        InputError: the table can't be read, lacks a column, or a row is cut off.

    """
    names = column_names(path, header=header)
    missing = [column for column in columns if column not in names]
    if missing:
        raise InputError(
            f"{path} has the columns {', '.join(names)}; missing: {', '.join(missing)}"
        )
    if path.suffix == ".parquet":
        yield from _read_parquet(path, columns)
        return
    places = [names.index(column) for column in columns]
    # One place gives a value, not a tuple of one.
    choose = itemgetter(*places) if len(places) > 1 else lambda row: (row[places[0]],)
    rows = _read_csv(path)
    if header:
        next(rows)
    for number, row in enumerate(rows, start=1):
        if len(row) != len(names):
            raise InputError(
                f"{path}: row {number} has {len(row)} values for {len(names)} columns, from"
                f" {','.join(row)[:60]!r} on"
            )
        yield choose(row)


def class_names(path: Path, column: str) -> list[str] | None:
    """The names of numbered classes, where a Parquet file of Hugging Face's says them."""
    if path.suffix != ".parquet":
        return None
    with _open_parquet(path) as file:
        metadata = file.schema_arrow.metadata or {}
    try:
        feature = json.loads(metadata[b"huggingface"])["info"]["features"][column]
        return [str(name) for name in feature["names"]]
    except (KeyError, TypeError, ValueError):
        return None


def as_text(value: object) -> str | None:
    """A label as text: whole numbers without a point, nothing for a missing one.

    Raises:
        InputError: the value is a list or a record.

    """
    if value is None or value != value:
        # Only NaN differs from itself.
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if not isinstance(value, str | int | float):
        raise InputError(f"A label is {str(value)[:60]!r}; expected one name or number per image")
    text = str(value).strip()
    whole, point, zeros = text.partition(".")
    if point and not zeros.strip("0") and whole.lstrip("-").isdecimal():
        return whole
    return text or None


def _read_csv(path: Path) -> Iterator[list[str]]:
    """The rows that aren't empty, the header among them."""
    csv.field_size_limit(_MAX_CELL)
    reader = None
    start = 0
    try:
        with path.open("rb") as file:
            if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                raise InputError(f"{path} is in UTF-16; expected UTF-8. Save it as CSV in UTF-8")
        with path.open(encoding="utf-8-sig", newline="") as file:
            line = file.readline()
            delimiter = max(_DELIMITERS, key=line.count)
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            for row in reader:
                if row:
                    yield row
                start = reader.line_num
    except UnicodeDecodeError as error:
        raise InputError(f"{path} can't be read as CSV in UTF-8: {error}") from None
    except csv.Error as error:
        raise InputError(
            f"{path} can't be read as CSV: {error}, in the row that begins in line {start + 1}."
            " Look for a quote there that isn't closed"
        ) from None
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}") from None


def _read_parquet(path: Path, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    from pyarrow import ArrowException

    with _open_parquet(path) as file:
        try:
            for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=list(columns)):
                values = (batch.column(column).to_pylist() for column in columns)
                yield from zip(*values, strict=True)
        except (OSError, ArrowException) as error:
            raise InputError(f"{path} {_ARROW_FAULTS}: {error}") from None


def _open_parquet(path: Path) -> Any:
    # Most sources need no Parquet; its library takes longer to import than all else here.
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        return ParquetFile(path)
    except (OSError, ArrowException) as error:
        raise InputError(f"{path} {_ARROW_FAULTS}: {error}") from None
