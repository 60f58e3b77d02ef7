"""Source table: a CSV or Parquet file that names PNG and JPEG files and their labels."""

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from tasks.core.parameters import DataParameters
from tasks.images.decode import read_image
from tasks.images.policy import ImagePolicy
from tasks.ingest.parameters import TableParameters
from tasks.ingest.source import PARTS, Entry, Source, TestChoice
from tasks.runner.errors import InputError

_SHOWN = 5


def read_table(source: TableParameters, data: DataParameters) -> Source:
    """Reads the table; the images' content is read later."""
    root = Path(source.path)
    policy = ImagePolicy.of(data, source)
    columns = [source.path_column, source.label_column]
    if source.split_column:
        columns.append(source.split_column)
    rows = read_columns(root / source.table, columns)
    paths = _inside(root, [row[0] for row in rows])
    labels = _positions([row[1] for row in rows], data.classes, kind=source.labels)
    parts = [row[2] for row in rows] if source.split_column else ["train"] * len(rows)
    _refuse("parts", (part for part in parts if part not in PARTS), expected=", ".join(PARTS))
    return Source(
        entries=[
            Entry(
                name=str(path),
                label=label,
                split=PARTS[part],
                load=partial(read_image, path, name=str(path), policy=policy, follow_links=True),
            )
            for path, label, part in zip(paths, labels, parts, strict=True)
        ],
        published=False,
        max_faulty_share=source.max_faulty_share,
        test_choice=TestChoice(source.test_share, source.test_seed),
        policy=policy,
        origin={"data_set": data.name, "format": "table"},
    )


def read_columns(path: Path, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """The rows of a table, as text.

    Args:
        path: of a .parquet file, or of a CSV file with a header, in UTF-8.
        columns: the ones that are read.

    Raises:
        InputError: the table can't be read or lacks a column.

    """
    names, values = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    found = f"{path} has the columns {', '.join(names) or 'none'}"
    missing = [column for column in columns if column not in names]
    if missing:
        raise InputError(f"{found}; missing: {', '.join(missing)}")
    repeated = [column for column in columns if names.count(column) > 1]
    if repeated:
        raise InputError(f"{found}; more than once: {', '.join(repeated)}")
    places = [names.index(column) for column in columns]
    rows = []
    for number, row in enumerate(values, start=1):
        if len(row) != len(names):
            raise InputError(f"{path}: row {number} has {len(row)} values for {len(names)} columns")
        rows.append(tuple(str(row[place]) for place in places))
    return rows


def column_names(path: Path) -> list[str]:
    """The names of a table's columns."""
    return (_read_parquet(path) if path.suffix == ".parquet" else _read_csv(path))[0]


def _read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            names, *rows = (row for row in csv.reader(file, strict=True) if row)
    except ValueError as error:
        cause = error if isinstance(error, UnicodeDecodeError) else "it is empty"
        raise InputError(f"{path} can't be read as CSV in UTF-8: {cause}") from None
    except (OSError, csv.Error) as error:
        raise InputError(f"{path} can't be read as CSV: {error}") from None
    return names, rows


def _read_parquet(path: Path) -> tuple[list[str], Iterable[Sequence[object]]]:
    # Most sources need no Parquet; its library takes longer to import than all else here.
    from pyarrow import ArrowException, parquet

    try:
        table = parquet.read_table(path)
    except (OSError, ArrowException) as error:
        raise InputError(f"{path} can't be read as Parquet: {error}") from None
    return table.column_names, list(zip(*table.to_pydict().values(), strict=True))


def _inside(root: Path, names: list[str]) -> list[Path]:
    """The paths of the images, none of which leads out of the folder."""
    resolved = root.resolve()
    outside = [name for name in names if not _stays_inside(resolved, name)]
    _refuse("paths", outside, expected=f"paths that stay in the folder {root}")
    return [root / name for name in names]


def _stays_inside(root: Path, name: str) -> bool:
    """Whether a path, its links followed, leads to a place in the folder."""
    if PurePosixPath(name).is_absolute():
        return False
    try:
        return (root / name).resolve().is_relative_to(root)
    except (ValueError, RuntimeError):
        # A null byte; links that lead to each other.
        return False


def _positions(labels: list[str], classes: tuple[str, ...], *, kind: str) -> list[int]:
    known = classes if kind == "names" else tuple(str(number) for number in range(len(classes)))
    positions = {name: position for position, name in enumerate(known)}
    _refuse("labels", (name for name in labels if name not in positions), ", ".join(known))
    return [positions[name] for name in labels]


def _refuse(what: str, wrong: Iterable[str], expected: str) -> None:
    counts = Counter(wrong)
    if counts:
        shown = ", ".join(f"{value!r} ({count})" for value, count in counts.most_common(_SHOWN))
        more = f" and {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else ""
        raise InputError(
            f"{counts.total():,} rows of the table have {what} that can't be used: {shown}{more}."
            f" Expected: {expected}"
        )
