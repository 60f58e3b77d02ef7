"""The table of predictions: Parquet or CSV, written batch by batch, whole or not at all."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.core.files import replacing
from tasks.images.sources import Images
from tasks.runner.errors import InputError
from tasks.runner.lock import hold_output

ENDINGS = (".parquet", ".csv")
_PROBABILITY = "probability: "  # begins the name of a class's column
_NOTE = "predictions"
_HEADER = re.compile(
    rb'"image","label","confidence"(?:,"probability: (?:[^"]|"")+")+,"model","error"\n'
)
_HEADER_BYTES = 2**20  # no header is longer


def make_schema(classes: tuple[str, ...]) -> pa.Schema:
    """The columns: image, label, confidence, a probability per class, model, error."""
    text, number = pa.string(), pa.float32()
    begin = [("image", text), ("label", text), ("confidence", number)]
    probabilities = [(f"{_PROBABILITY}{name}", number) for name in classes]
    return pa.schema([*begin, *probabilities, ("model", text), ("error", text)])


def tabulate(
    images: Images, probabilities: np.ndarray, *, classes: tuple[str, ...], version: str
) -> pa.Table:
    """One row per image; an image that couldn't be read has an error and nothing else.

    Args:
        images: n images, m of which could be read.
        probabilities: (m, classes) float32.

    """
    is_bad = np.array([error is not None for error in images.errors])
    # Position of each image among the readable ones; that of an unreadable one is not looked at.
    positions = np.maximum(np.cumsum(~is_bad) - 1, 0)
    none = np.zeros((1, len(classes)), np.float32)  # where no image is readable
    spread = (probabilities if len(probabilities) else none)[positions]
    labels = [classes[label] for label in spread.argmax(axis=1)]
    columns = [
        _make_strings(images.names),
        _make_strings([None if bad else label for bad, label in zip(is_bad, labels, strict=True)]),
        _make_floats(spread.max(axis=1), valid=~is_bad),
        *(_make_floats(column, valid=~is_bad) for column in spread.T),
        _make_strings([version] * len(is_bad)),
        _make_strings(images.errors),
    ]
    return pa.Table.from_arrays(columns, schema=make_schema(classes))


# From bytes, because pa.array imports pandas, which takes a fifth of the time of 10,000 images.
def _make_floats(values: np.ndarray, *, valid: np.ndarray) -> pa.Array:
    content = np.ascontiguousarray(values, np.float32)
    buffers = [_make_bitmap(valid), pa.py_buffer(content)]
    return pa.Array.from_buffers(pa.float32(), len(values), buffers)


def _make_strings(values: Sequence[str | None]) -> pa.Array:
    valid = np.array([value is not None for value in values])
    encoded = [(value or "").encode() for value in values]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    buffers = [_make_bitmap(valid), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(values), buffers)


def _make_bitmap(valid: np.ndarray) -> pa.Buffer:
    return pa.py_buffer(np.packbits(valid, bitorder="little"))


def claim_table(path: Path) -> Path:
    """Where a table goes: to a path, or to where it leads if it is a link.

    Raises:
        InputError: the name ends neither in .parquet nor in .csv, or what is there is no table of
            predictions, so that it is somebody's.

    """
    if path.suffix not in ENDINGS:
        raise InputError(f"{path}: expected a name that ends in {' or '.join(ENDINGS)}")
    try:
        target = path.resolve()
    except RuntimeError:
        raise InputError(f"{path} is a link that leads to itself. Name another file") from None
    if target.exists() and not _is_prediction(target, path.suffix):
        raise InputError(
            f"{path} is there already and is no table of predictions; expected a new name, or an"
            " earlier table. Name another file, or move this one away"
        )
    return target


def _is_prediction(path: Path, ending: str) -> bool:
    """Whether a file has the columns that `open_writer` gives it, and Parquet its note."""
    try:
        if ending == ".parquet":
            from pyarrow.parquet import ParquetFile

            with ParquetFile(path) as file:
                schema = file.schema_arrow
                names = (name.removeprefix(_PROBABILITY) for name in schema.names[3:-2])
                has_note = _NOTE.encode() in (file.metadata.metadata or {})
                return has_note and schema.equals(make_schema(tuple(names)))
        with path.open("rb") as file:
            return _HEADER.match(file.read(_HEADER_BYTES)) is not None
    except (OSError, ValueError, pa.ArrowException):
        return False


@contextmanager
def open_writer(path: Path, schema: pa.Schema) -> Iterator[Any]:
    """Gives what writes batches of rows; the table is there when the block has succeeded.

    See `claim_table`.
    """
    target = claim_table(path)
    with hold_output(f"a prediction into {path}", target), replacing(target) as temporary:
        if path.suffix == ".parquet":
            from pyarrow.parquet import ParquetWriter as Writer
        else:
            from pyarrow.csv import CSVWriter as Writer
        with Writer(temporary, schema) as writer:
            yield writer


def write_note(writer: Any, content: dict[str, Any]) -> None:
    """Writes what `read_note` reads into a Parquet table; CSV has no place for it."""
    if hasattr(writer, "add_key_value_metadata"):
        writer.add_key_value_metadata({_NOTE: json.dumps(content, allow_nan=False)})


def read_note(path: Path) -> dict[str, Any]:
    """What was noted in a Parquet table."""
    from pyarrow.parquet import read_metadata

    return json.loads(read_metadata(path).metadata[_NOTE.encode()])


def read_errors(path: Path) -> dict[str, str | None]:
    """Each image of a Parquet table of predictions, and its error; none if the table is broken.

    A table without its note is broken, too: who copies one by other programs may lose that.
    """
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            if _NOTE.encode() not in (file.metadata.metadata or {}):
                return {}
            rows = file.read(["image", "error"])
            names, errors = (rows.column(name).to_pylist() for name in rows.column_names)
            return dict(zip(names, errors, strict=True))
    except (OSError, pa.ArrowException):
        return {}
