"""Which columns of a table hold labels and parts, by their names and their values."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tasks.ingest.rows import as_text
from tasks.ingest.source import PARTS
from tasks.propose.options import Options
from tasks.runner.errors import InputError

_LABELS = re.compile(
    "labels?|class(es)?|(class|label) name|category|target|kind|species|breed|emotion|y|diagnosis"
    "|dx"
)
_SPLITS = PARTS.keys() | {
    *("split", "set", "subset", "dataset", "usage", "part", "partition", "phase", "fold", "kfold"),
    "mode",
}
_BESIDE = {"is", "in", "for", "of", "or", "and", "data", "sub", "k", "image", "images", "flag"}
# Beside the usual words, in lower case: those of the faces of FER.
_WORDS = PARTS | {"publictest": "train", "privatetest": "test"}
# What isn't in the one set of a flag of these is in the other.
_OPPOSITES = {"train": "test", "training": "test", "test": "train", "testing": "train"}
_BLANKS = {"", "-", "nan", "na", "n/a", "none", "null"}
_SHOWN = 4

Counts = dict[str, Counter[str | None]]  # of each value of each column


def find_labels(table: Path, values: Counts, splits: list[str], options: Options) -> str:
    """The column of the labels."""
    if options.label_column is not None:
        if options.label_column not in values:
            raise ask_column(table, "labels", list(values), "--label-column")
        return options.label_column
    others = [
        name for name in values if name not in splits and not plain(name).startswith("unnamed")
    ]
    named = [name for name in others if _LABELS.fullmatch(plain(name))] or [
        name for name in others if name
    ]
    if len(named) != 1:
        flags = [name for name in named if values[name].keys() <= {"0", "1"}]
        several = (
            f"; {shorten(flags)} hold 0 and 1: if one is 1 in each row, make one column of them"
        )
        raise ask_column(
            table, "labels", named, "--label-column", several if len(flags) > 1 else ""
        )
    return named[0]


def list_splits(table: Path, values: Counts, options: Options) -> list[str]:
    """The columns that may hold the parts."""
    wanted = options.split_column
    if wanted == "none":
        return []
    if wanted not in (None, *values):
        raise ask_column(table, "splits", list(values), "--split-column")
    if wanted is not None:
        return [wanted]
    others = [name for name in values if name != options.label_column]
    return [name for name in others if _is_split(name)] or [
        name
        for name in others
        if not _LABELS.fullmatch(plain(name))
        and (words := {value.lower() for value in values[name] if value} - _BLANKS)
        and words <= _WORDS.keys()
    ]


def find_split(
    table: Path, values: Counts, columns: list[str], options: Options, *, has_parts: bool
) -> dict[str, Any]:
    """The column that holds the parts, and what its values mean.

    Where tables are parts already, a column that says something else is used only if it is named.
    """
    if not columns:
        if options.test_values:
            raise InputError("--test-values are those of a column. Which? --split-column NAME")
        return {"split_column": None, "split_values": None}
    name, meaning = columns[0], None
    if len(columns) == 1 and not (has_parts and options.split_column is None):
        meaning = mean_parts(name, values[name], options.test_values)
    if meaning is None:
        shown = shorten([value or "nothing" for value in values[name]])
        raise InputError(
            f"{table} has the column {name}, which may say what a test image is: {shown}. Say so:"
            f" --split-column '{name}' --test-values …; or --split-column none"
        )
    is_usual = all(PARTS.get(value.lower()) == part for value, part in meaning.items())
    return {"split_column": name, "split_values": None if is_usual else meaning}


def mean_parts(
    name: str, counts: Counter[str | None], test_values: Sequence[str] | None = None
) -> dict[str, str] | None:
    """The part that each value of a column, nothing included, stands for, or None.

    It is as was said which are the test; or by the usual words, or as a flag.
    """
    found = sorted(value or "" for value in counts)
    if test_values:
        tests = {as_text(value) for value in test_values}
        if not tests < set(found):
            raise InputError(
                f"--test-values {' '.join(test_values)}: the column {name} holds"
                f" {shorten(found)}. Expected some of those, and not all"
            )
        return {value: "test" if value in tests else "train" for value in found}
    if all(value.lower() in _WORDS for value in found):
        return {value: _WORDS[value.lower()] for value in found}
    words = [word for word in plain(name).split() if word in PARTS]
    is_flag = {value.lower() for value in found} in ({"0", "1"}, {"false", "true"})
    if not is_flag or len(words) != 1 or words[0] not in _OPPOSITES:
        return None
    yes, no = PARTS[words[0]], _OPPOSITES[words[0]]
    return {value: yes if value.lower() in ("1", "true") else no for value in found}


def refuse_parts_in_paths(table: Path, column: str, paths: Iterable[str | None]) -> None:
    """Refuses paths of which some lead through a folder of the test, as long as nothing says so."""
    parts = Counter(part_of((path or "").replace("\\", "/").rpartition("/")[0]) for path in paths)
    if len(parts) > 1 and parts["test"]:
        raise InputError(
            f"{table}: {parts['test']:,} of {parts.total():,} paths in the column {column} lead"
            " through a folder that is called like a part, test; no column says which images are"
            " for the test. Add one, called split, with train or test in each row; or, to have"
            " test images chosen by content: --split-column none"
        )


def part_of(path: str) -> str | None:
    """The part that the last word in a path that names one stands for."""
    return PARTS.get(word_of(path) or "")


def word_of(path: str) -> str | None:
    """The last word in a path that names a part."""
    words = re.split(r"[^a-z]+", path.lower())
    return next((word for word in reversed(words) if word in PARTS), None)


def _is_split(name: str) -> bool:
    """Whether a name says that a column holds parts: `split`, `is_test`, `train_test`."""
    words = set(plain(name).split())
    return bool(words & _SPLITS) and words <= _SPLITS | _BESIDE


def plain(name: str) -> str:
    """A column's name in lower case, its words apart."""
    return re.sub(r"[\W_]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)).strip().lower()


def shorten(names: list[str]) -> str:
    """The first few names, and how many there are."""
    more = f", … ({len(names):,} in all)" if len(names) > _SHOWN else ""
    return ", ".join(name[:40] for name in names[:_SHOWN]) + more


def ask_column(table: Path, what: str, names: list[str], option: str, seen: str = "") -> InputError:
    """What to say where a column can't be told from others."""
    return InputError(
        f"{table} has {len(names)} columns that may hold {what} ({shorten(names) or 'none'});"
        f" expected one. Name it: {option}{seen}"
    )
