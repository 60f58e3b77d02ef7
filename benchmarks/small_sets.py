"""What becomes of small classes when chance chooses, and how often added images move others.

    python -m benchmarks.small_sets

writes the table into docs/data.md. Needs nothing; no figure depends on the machine.
"""

from pathlib import Path

import numpy as np

from benchmarks.pages import fill
from tasks.core.choice import hold_out

_SETS = {
    "2 of 3": [3] * 2,
    "5 of 5": [5] * 5,
    "100 of 10": [10] * 100,
    "20 of 30": [30] * 20,
    "one of 10,000 beside one of 5": [10_000, 5],
    "10 of 100": [100] * 10,
}
_USES = ("train", "validate", "test")
_TEST_SHARE = 0.2
_VALIDATION_SHARE = 0.1
_NUM_SEEDS = 50


def main() -> None:
    """Writes a Markdown table."""
    rows = [
        "| classes | chance alone leaves a side empty | fewest | moved by a tenth more |",
        "|---|---:|---:|---:|",
    ]
    for name, counts in _SETS.items():
        results = [simulate(counts, seed) for seed in range(_NUM_SEEDS)]
        empty, fewest, moved = (np.array(column) for column in zip(*results, strict=True))
        least = ", ".join(map(str, fewest.min(axis=0)))
        rows.append(f"| {name} | {empty.mean():.0%} of seeds | {least} | {moved.mean():.2%} |")
    rows += ["", f"Each of {_NUM_SEEDS} seeds; {_TEST_SHARE:.0%} to test on, then"]
    rows += [f"{_VALIDATION_SHARE:.0%} to validate on. Fewest: to train, validate, test on."]
    print("\n".join(rows))
    fill(Path("docs/data.md"), "small sets", "\n".join(rows))


def simulate(counts: list[int], seed: int) -> tuple[bool, np.ndarray, float]:
    """Splits a set, and then the same set with a tenth more images of each class.

    Returns:
        Whether chance alone leaves a class without images for a use, (3,) the fewest images of a
        class for each use, and the share of the images whose use changes.

    """
    generator = np.random.default_rng(seed)
    more = [int(np.ceil(count / 10)) for count in counts]
    classes = np.arange(len(counts))
    labels = np.concatenate([np.repeat(classes, counts), np.repeat(classes, more)])
    ranks = generator.random((2, len(labels)))
    number = sum(counts)
    by_chance = np.where(ranks[0] < _TEST_SHARE, 2, np.where(ranks[1] < _VALIDATION_SHARE, 1, 0))
    uses = choose_uses(ranks[:, :number], labels[:number], len(counts))
    later = choose_uses(ranks, labels, len(counts))[:number]
    empty = count_uses(by_chance[:number], labels[:number], len(counts)).min() == 0
    fewest = count_uses(uses, labels[:number], len(counts)).min(axis=1)
    return bool(empty), fewest, float((uses != later).mean())


def choose_uses(ranks: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """(n,) int64: 0 to train, 1 to validate, 2 to test on.

    Args:
        ranks: (2, n) for the choice of test images, and for that of validation images.
        labels: (n,).
        num_classes: how many there are.

    """
    classes = tuple(map(str, range(num_classes)))
    is_test = hold_out(ranks[0], labels, share=_TEST_SHARE, classes=classes, uses=_USES)
    uses = np.where(is_test, 2, 0)
    rest = np.flatnonzero(~is_test)
    held_out = hold_out(
        ranks[1][rest], labels[rest], share=_VALIDATION_SHARE, classes=classes, uses=_USES[:2]
    )
    uses[rest[held_out]] = 1
    return uses


def count_uses(uses: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """(3, classes): how many images of each class have each use."""
    return np.stack([np.bincount(labels[uses == use], minlength=num_classes) for use in range(3)])


if __name__ == "__main__":
    main()
