"""Two runs of the archive, side by side: what changed between them, and what became of the answers.

    pipeline compare RUN RUN

RUN is the name of a folder in archive/, or its beginning. The answers are compared on the test
images that both runs had, by the same paired tests as in the report.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.core import paths
from tasks.runner.errors import InputError
from workspace.archive import Run, find_run, read_run

if TYPE_CHECKING:
    import pandas as pd

    from tasks.models.compare import Change


def describe_change(before: Run, run: Run) -> Iterator[str]:
    """What differs between a run and an earlier one, in words."""
    old, new = before.parameters, run.parameters
    for key in dict.fromkeys([*old, *new]):
        if old.get(key) != new.get(key):
            yield f"{key}: {old.get(key, 'not there')} → {new.get(key, 'not there')}"
    paths_of_code = dict.fromkeys([*before.code, *run.code])
    changed = [path for path in paths_of_code if before.code.get(path) != run.code.get(path)]
    if changed:
        yield f"code: {', '.join(changed)}"
    if before.data != run.data:
        counts = [
            f"{split} {before.images.get(split, 0):,} → {number:,} images"
            for split, number in run.images.items()
            if before.images.get(split) != number
        ]
        yield f"data: {', '.join(counts) or 'other images, as many as before'}"


def compare_runs(before: Path, after: Path) -> Iterator[str]:
    """What changed from one run to another, and what became of the answers, in lines.

    Raises:
        InputError: one of them failed, or they have no test image or other classes in common.

    """
    from tasks.models.compare import compare
    from tasks.models.data import read_images, tell_changes

    folders = (before, after)
    old, new = runs = tuple(read_run(folder) for folder in folders)
    yield f"{before.name} → {after.name}"
    yield from (f"  {line}" for line in describe_change(old, new))
    for run in runs:
        if run.accuracy is None:
            cause = f"it failed: {run.failure}" if run.failure else "it has none"
            raise InputError(f"The run {run.name} has no result to compare with ({cause})")
    if old.data != new.data:
        yield from (f"  {line}" for line in tell_changes(*map(read_images, folders)))
    classes = tuple(new.recalls)
    if set(classes) != set(old.recalls):
        raise InputError(
            f"The two runs have other classes: {', '.join(old.recalls)}; {', '.join(classes)}."
            " Their answers can't be compared"
        )
    answers = [_read_answers(folder, run) for folder, run in zip(folders, runs, strict=True)]
    both = answers[0].merge(answers[1], on=["content", "copy"], suffixes=("_before", "_after"))
    if both.empty:
        raise InputError("The two runs have no test image in common: nothing can be compared")
    numbers = {name: number for number, name in enumerate(classes)}
    labels, was, now = (
        both[column].map(numbers).to_numpy()
        for column in ("label_after", "predicted_before", "predicted_after")
    )
    same = len(both) == len(answers[0]) == len(answers[1])
    yield f"on the {len(both):,} test images {'of both' if same else 'that both have'}:"
    comparison = compare(labels, was, now, classes=classes, confidence=0.95)
    yield f"  all: {_tell(comparison.overall)}"
    for name, change in comparison.classes.items():
        yield f"  {name}: {_tell(change.recall)}"


def _read_answers(folder: Path, run: Run) -> "pd.DataFrame":
    """A row per test image: content, copy (which of several alike), label, predicted (names)."""
    import numpy as np
    import pandas as pd

    from tasks.models.data import hashes_of, read_images

    names = np.array(list(run.recalls), object)
    table = pd.read_parquet(folder / paths.PREDICTIONS.name, columns=["label", "predicted"])
    answers = pd.DataFrame({column: names[table[column]] for column in ("label", "predicted")})
    answers["content"] = hashes_of(read_images(folder), "test")
    answers["copy"] = answers.groupby("content").cumcount()
    return answers


def _tell(change: "Change") -> str:
    low, high = (100 * end for end in change.interval)
    return (
        f"{change.before:.2%} → {change.after:.2%} right ({change.fixed} gained, {change.broken}"
        f" lost): {change.verdict}, p = {change.p_value:.2g}, {low:+.2f} to {high:+.2f} points"
    )


def main() -> None:
    """Prints the comparison of two runs."""
    parser = argparse.ArgumentParser(prog="pipeline compare", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("before", metavar="RUN")
    parser.add_argument("after", metavar="RUN")
    arguments = parser.parse_args()
    for line in compare_runs(find_run(arguments.before), find_run(arguments.after)):
        print(line)
