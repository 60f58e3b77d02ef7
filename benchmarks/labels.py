"""Which wrong labels are found, and which aren't, in the real training images.

    python -m benchmarks.labels                # only the last line depends on the machine
    python -m benchmarks.labels false-alarms   # no figure depends on the machine

write their tables into docs/validation.md. Need data/raw (dvc repro ingest). Take minutes.
"""

import sys
import time
from itertools import pairwise
from pathlib import Path
from subprocess import run

import numpy as np
from tqdm import tqdm

from benchmarks.machine import describe_machine
from benchmarks.pages import fill
from tasks.core.dataset import ImageSplit, load_split
from tasks.core.parameters import DataParameters, load_section
from tasks.validate.labels import compare_suspicions, look_at_labels
from tasks.validate.parameters import Suspicion

_SHOWN = 100
_CHANCE = 0.01
_SEEDS = {0.0: 1, 0.01: 2, 0.02: 1, 0.05: 2, 0.1: 1}
_SEVERAL = {
    "Trouser called Dress, of Sandal called Sneaker": [(1, 3), (5, 7)],
    "Sandal, Sneaker and Ankle boot, each called the next": [(5, 7), (7, 9), (9, 5)],
    "Pullover and Coat, T-shirt/top and Shirt exchanged": [(2, 4), (4, 2), (0, 6), (6, 0)],
}
_NEIGHBOURS = {
    "Dress called T-shirt/top": [(3, 0)],
    "Coat called Pullover": [(4, 2)],
    "Shirt called T-shirt/top": [(6, 0)],
    **_SEVERAL,
}
_FEW = 3_000
# Of the real images: in how many parts they are divided, and how often.
_PARTS = {60: 1}
# Of simulated ones: classes, and images of each.
_SIZES = [(2, 10), (2, 100), (10, 10), (10, 100), (30, 8), (100, 5), (100, 10), (100, 20)]
_SIMULATED = 150


def main() -> None:
    """Writes a Markdown table."""
    split = load_split("train")
    images, labels = np.array(split.images), np.array(split.labels)
    data: DataParameters = load_section("data", DataParameters)
    cases = [
        (f"{share:.0%} of all, at random", flip_any(labels, share, seed))
        for share, number in _SEEDS.items()
        for seed in range(number)
    ]
    cases += [
        (f"10% of {name}", flip_classes(labels, 0.1, pairs)) for name, pairs in _NEIGHBOURS.items()
    ]
    cases += [
        (f"2% of the images labelled {name}", flip_into(labels, 0.02, label))
        for label, name in enumerate(data.classes)
    ]
    seconds, rows = judge(images, labels, cases)
    few = labels[:_FEW]
    cases = [(f"{_FEW:,} images: none", few)] + [
        (f"{_FEW:,} images: {share:.0%} of {name}", flip_classes(few, share, pairs))
        for name, pairs in _SEVERAL.items()
        for share in (0.1, 0.3)
    ]
    rows += judge(images[:_FEW], few, cases)[1]
    rows = [
        f"| wrong labels | suspected | wrong of the first {_SHOWN} | caught by | p |",
        "|---|---:|---:|---|---:|",
        *rows,
        "",
        f"{np.median(seconds) / time_import():.1f} × the import of Great Expectations, on",
        f"{len(labels):,} images. {describe_machine('numpy', 'scipy')}",
    ]
    print("\n".join(rows))
    fill(Path("docs/validation.md"), "labels", "\n".join(rows))


def judge(
    images: np.ndarray, labels: np.ndarray, cases: list[tuple[str, np.ndarray]]
) -> tuple[list[float], list[str]]:
    """The seconds and the row of each case; the first is what was accepted."""
    accepted: Suspicion | None = None
    seconds, rows = [], []
    for name, changed in tqdm(cases, unit="case", disable=None):
        start = time.perf_counter()
        table, found = look_at_labels(ImageSplit(images, changed), num_classes=10, seed=0)
        seconds.append(time.perf_counter() - start)
        accepted = accepted or found
        wrong = (changed != labels)[table["position"].to_numpy()]
        rows.append(
            f"| {name} | {len(table) / len(labels):.1%} | {wrong[:_SHOWN].sum()} |"
            f" {describe(compare_suspicions(found, accepted))} |"
        )
    return seconds, rows


def describe(probabilities: np.ndarray) -> str:
    """By how many classes the rise is noticed, and the lowest probability."""
    suspected, suggested = (probabilities.reshape(2, 2, -1).min(axis=0) < _CHANCE).sum(axis=1)
    caught = f"{suspected} classes suspected, {suggested} suggested"
    return f"{caught if suspected + suggested else 'nothing'} | {probabilities.min():.2g}"


def find_false_alarms() -> None:
    """Writes a Markdown table of the clean sets that are refused, after as clean ones."""
    split = load_split("train")
    images, labels = np.array(split.images), np.array(split.labels)
    rows = ["| sets | classes | images in each | compared | refused |", "|---|---:|---:|---:|---:|"]
    alarms: list[bool] = []
    for num_parts, number in _PARTS.items():
        found = []
        for seed in tqdm(range(number), desc=f"{num_parts} parts", disable=None):
            mixed = np.random.default_rng(seed).permutation(len(labels))
            parts = [np.sort(part) for part in np.array_split(mixed, num_parts)]
            found += compare_sets([ImageSplit(images[part], labels[part]) for part in parts], 10)
        rows.append(
            f"| parts of the real images | 10 | {len(labels) // num_parts:,} | {count(found)}"
        )
        alarms += found
    for num_classes, per_class in tqdm(_SIZES, desc="simulated", disable=None):
        sets = (make_images([per_class] * num_classes, seed) for seed in range(2 * _SIMULATED))
        found = compare_sets([ImageSplit(*pair) for pair in sets], num_classes)
        rows.append(f"| simulated | {num_classes} | {num_classes * per_class:,} | {count(found)}")
        alarms += found
    rows += ["", f"In all {sum(alarms)} of {len(alarms):,}: {np.mean(alarms):.2%}; 1% is allowed."]
    print("\n".join(rows))
    fill(Path("docs/validation.md"), "false alarms", "\n".join(rows))


def compare_sets(sets: list[ImageSplit], num_classes: int) -> list[bool]:
    """Whether each second set is refused if the one before it was accepted."""
    counts = [look_at_labels(part, num_classes=num_classes, seed=0)[1] for part in sets]
    return [
        bool((compare_suspicions(found, accepted) < _CHANCE).any())
        for accepted, found in list(pairwise(counts))[::2]
    ]


def count(alarms: list[bool]) -> str:
    """The last cells of a row."""
    return f"{len(alarms)} | {sum(alarms)} |"


def make_images(
    counts: list[int], seed: int, size: int = 8, channels: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Noisy images around a pattern of each class: about one in fifty looks like another class."""
    generator = np.random.default_rng(seed)
    patterns = np.random.default_rng(99).normal(128, 20, (len(counts), size, size, channels))
    labels = np.repeat(np.arange(len(counts)), counts)
    noise = generator.normal(0, 45, (len(labels), size, size, channels))
    images = np.clip(patterns[labels] + noise, 0, 255).astype(np.uint8)
    order = generator.permutation(len(labels))
    return images[order], labels[order].astype(np.uint8)


def flip_any(labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Gives a share of all images another label, each of the others alike."""
    generator = np.random.default_rng(seed)
    places = generator.choice(len(labels), round(share * len(labels)), replace=False)
    changed = labels.copy()
    changed[places] = (labels[places] + generator.integers(1, 10, len(places))) % 10
    return changed


def flip_classes(labels: np.ndarray, share: float, pairs: list[tuple[int, int]]) -> np.ndarray:
    """Calls a share of each first class the second one."""
    changed = labels.copy()
    for label, other in pairs:
        places = np.random.default_rng(0).permutation(np.flatnonzero(labels == label))
        changed[places[: round(share * len(places))]] = other
    return changed


def flip_into(labels: np.ndarray, share: float, label: int) -> np.ndarray:
    """Gives images of all other classes one label, so that this share of its images is wrong."""
    number = round(share * (labels == label).sum())
    places = np.random.default_rng(0).permutation(np.flatnonzero(labels != label))[:number]
    changed = labels.copy()
    changed[places] = label
    return changed


def time_import() -> float:
    """Seconds that Python takes to import Great Expectations."""
    start = time.perf_counter()
    run([sys.executable, "-c", "import great_expectations"], check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    if sys.argv[1:] == ["false-alarms"]:
        find_false_alarms()
    else:
        main()
