"""What a table of labels is: its parts, and which of its columns hold images, labels and splits."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from tasks.images.files import why_aside, why_name_aside
from tasks.ingest.parameters import TableParameters
from tasks.ingest.rows import TABLE_ENDINGS, as_text, column_names, kind_of, read_rows
from tasks.ingest.table import pixel_columns
from tasks.propose.cells import Files, find_images, find_ways, is_data
from tasks.propose.columns import (
    Counts,
    ask_column,
    find_labels,
    find_split,
    list_splits,
    mean_parts,
    part_of,
    refuse_parts_in_paths,
    shorten,
    word_of,
)
from tasks.propose.options import Options
from tasks.propose.pictures import CHOICE, EXACT
from tasks.runner.errors import InputError

_MOST_VALUES = 2000

Parts = dict[str, list[Path]]


def find_tables(path: Path) -> tuple[list[Path], list[str]]:
    """The tables at a path, or in the folder that it is, two levels deep; what is left aside."""
    tables, lines = [], []
    for table in [path] if path.is_file() else sorted([*path.glob("*"), *path.glob("*/*")]):
        if table.suffix.lower() not in TABLE_ENDINGS or not table.is_file():
            continue
        name = table.relative_to(path)  # by which, or that of its folder, it may be left aside
        reasons = filter(None, map(why_name_aside, name.parts[:-1]))
        reason = next(reasons, why_aside(table)) if table != path else None
        if reason in (None, "a table"):
            tables.append(table)
        else:
            lines.append(f"left aside: the table {name}, {reason}")
    return tables, lines


def understand_tables(
    path: Path, options: Options
) -> tuple[TableParameters, Counter[str | None], list[str], list[str]]:
    """The tables at a path and their columns, how often each label occurs, and what to tell.

    What can't be known is asked for by an option; the ways to name files are given, the best first.
    """
    root = path.parent if path.is_file() else path
    parts, lines = _split_into_parts(path, root)
    first = next(iter(parts.values()))[0]
    files = Files(options)
    header = not is_data(first, files)
    names = column_names(first, header=header)
    lines.append(f"columns: {shorten(names)}" + ("" if header else " (there is no header)"))
    kind, pattern = find_images(first, names, files, options, header=header)
    pixels = pixel_columns(names, pattern, others=(options.label_column, options.split_column))
    if len(pixels) == len(names) > 1:
        raise ask_column(first, "labels", names, "--label-column")
    others = [name for name in names if name not in pixels]
    counts = {table: _count(table, others, header=header) for table in chain(*parts.values())}
    values = {name: _add(counts.values(), name) for name in others}
    splits = list_splits(first, values, options)
    label = find_labels(first, values, splits, options)
    parts, more = _leave_aside(parts, counts, {label} | {pattern} & values.keys(), label)
    lines += more
    if len(parts) > 1 and options.split_column is None:
        splits = [name for name in splits if _contradicts(name, parts, counts)]
    split = find_split(first, values, splits, options, has_parts=len(parts) > 1)
    if split["split_column"]:
        parts, more = _leave_aside(parts, counts, {split["split_column"]}, label)
        lines += more
    named = _name_tables(root, parts)
    tables = list(chain(*parts.values()))
    labels = _add((counts[table] for table in tables), label)
    if not labels:
        raise InputError(
            f"{first}: the column {label} holds lists or records; expected one name or number per"
            " image. Another one? --label-column"
        )
    ways = find_ways(tables, pattern, files, header=header) if kind == "files" else ["{}"]
    if kind == "files" and len(parts) == 1 and not splits and options.split_column is None:
        rows = chain.from_iterable(read_rows(table, [pattern], header=header) for table in tables)
        refuse_parts_in_paths(first, pattern, (as_text(cell) for (cell,) in rows))
    source = TableParameters(
        format="table",
        path=str(root),
        tables=named,  # pyright: ignore[reportArgumentType]
        header=header,
        label_column=label,
        labels="names",
        images=kind,  # pyright: ignore[reportArgumentType]
        image_column=pattern,
        file_names=ways[0],
        **split,
        max_faulty_share=1.0,
        **EXACT,
        **CHOICE,
    )
    return source, labels, [*lines, *_describe(source)], ways


def _describe(source: TableParameters) -> Iterator[str]:
    yield from (f"{part}: {', '.join(names)}" for part, names in source.tables.items())
    yield f"{source.images}: the column {source.image_column} (--path-column)"
    if source.images == "files":
        yield f"each file is {source.file_names}, {{}} being the value (--file-names)"
    yield f"labels: the column {source.label_column} (--label-column)"
    yield f"parts: {source.split_column or 'no column'} (--split-column)"


def _split_into_parts(path: Path, root: Path) -> tuple[Parts, list[str]]:
    """The tables of each part, train first, and what is left aside."""
    parts: defaultdict[str | None, list[Path]] = defaultdict(list)
    tables, lines = find_tables(path)
    for table in tables:
        parts[part_of(os.fspath(table.relative_to(root)))].append(table)
    plain = parts[None]
    if "train" in parts:
        lines += [f"left aside: the table {table.name}, which names no part" for table in plain]
    elif plain and (len(plain) == 1 or all(kind_of(table) == "Parquet" for table in plain)):
        parts["train"] = plain
    elif not plain and parts["test"]:
        parts["train"] = parts.pop("test")
    else:
        raise InputError(
            f"{root} holds {len(plain)} tables ({shorten([table.name for table in plain])}):"
            " name one as PATH, or call those of the parts train.csv and test.csv"
        )
    return {part: parts[part] for part in ("train", "test") if part in parts}, lines


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
    parts: Parts, counts: dict[Path, Counts], needed: set[str], label: str
) -> tuple[Parts, list[str]]:
    """The tables that have the columns that are needed, and what to tell of the others.

    A table of the test may have a column of labels, but none in it, as competitions have it.
    """
    kept: Parts = {}
    lines = []
    for part, tables in parts.items():
        for table in tables:
            if missing := needed - counts[table].keys():
                lines.append(f"left aside: {table.name}, which has no column {min(missing)}")
            elif part == "test" and counts[table][label].keys() == {None}:
                lines.append(f"left aside: {table.name}, none of whose rows has a label")
            else:
                kept.setdefault(part, []).append(table)
    return kept, lines


def _contradicts(column: str, parts: Parts, counts: dict[Path, Counts]) -> bool:
    """Whether a column says another part of some row than that of the row's table."""
    found = {
        part: mean_parts(column, _add((counts[table] for table in tables), column))
        for part, tables in parts.items()
    }
    return any(meaning and set(meaning.values()) != {part} for part, meaning in found.items())


def _name_tables(root: Path, parts: Parts) -> dict[str, tuple[str, ...]]:
    """The tables' names; unless they are numbered, several of one part may hold the same rows."""
    named = {
        part: tuple(os.fspath(table.relative_to(root)) for table in tables)
        for part, tables in parts.items()
    }
    by_word: dict[str, list[str]] = {}
    for name in chain(*named.values()):
        by_word.setdefault((word_of(name) or "train").removesuffix("ing"), []).append(name)
    for same in by_word.values():
        if len({re.sub(r"\d+", "*", name) for name in same}) > 1:
            raise InputError(
                f"{root} holds several tables of one part: {shorten(same)}. If their rows are"
                " different, number them, as in train.part1.csv and train.part2.csv; if not, move"
                " all but one of them elsewhere"
            )
    return named
