"""Which wrong labels are found, and which aren't, in the real training images.

    python -m benchmarks.labels

writes the table into docs/validation.md. Needs data/raw (dvc repro ingest). Takes minutes; only the
last line depends on the machine.
"""

import sys
import time
from pathlib import Path
from subprocess import run

import numpy as np
from tqdm import tqdm

from benchmarks.machine import describe_machine
from benchmarks.pages import fill
from tasks.core.dataset import ImageSplit, load_split
from tasks.validate.labels import compare_suspicions, look_at_labels
from tasks.validate.parameters import Suspicion

_SHOWN = 100
_CHANCE = 0.01
_SEEDS = {0.0: 1, 0.01: 2, 0.02: 1, 0.05: 2, 0.1: 1}
_NEIGHBOURS = {"Dress called T-shirt/top": (3, 0), "Coat called Pullover": (4, 2)}
_NEIGHBOURS["Shirt called T-shirt/top"] = (6, 0)
_SINGLE = {"T-shirt/top": 0, "Pullover": 2, "Shirt": 6}


def main() -> None:
    """Writes a Markdown table."""
    split = load_split("train")
    images, labels = np.array(split.images), np.array(split.labels)
    cases = [
        (f"{share:.0%} of all, at random", flip_any(labels, share, seed))
        for share, number in _SEEDS.items()
        for seed in range(number)
    ]
    cases += [
        (f"10% of {name}", flip_class(labels, 0.1, *pair)) for name, pair in _NEIGHBOURS.items()
    ]
    cases += [
        (f"2% of the images labelled {name}", flip_into(labels, 0.02, label))
        for name, label in _SINGLE.items()
    ]
    rows = [
        f"| wrong labels | suspected | wrong of the first {_SHOWN} | caught by | p |",
        "|---|---:|---:|---|---:|",
    ]
    accepted: Suspicion | None = None
    seconds = []
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
    rows += ["", f"{np.median(seconds) / time_import():.1f} × the import of Great Expectations, on"]
    rows += [f"{len(labels):,} images. {describe_machine('numpy', 'scipy')}"]
    print("\n".join(rows), accepted)
    fill(Path("docs/validation.md"), "labels", "\n".join(rows))


def describe(probabilities: np.ndarray) -> str:
    """By how many classes the rise is noticed, and the lowest probability."""
    suspected, suggested = (probabilities < _CHANCE).sum(axis=1)
    caught = f"{suspected} classes suspected, {suggested} suggested"
    return f"{caught if suspected + suggested else 'nothing'} | {probabilities.min():.2g}"


def flip_any(labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Gives a share of all images another label, each of the others alike."""
    generator = np.random.default_rng(seed)
    places = generator.choice(len(labels), round(share * len(labels)), replace=False)
    changed = labels.copy()
    changed[places] = (labels[places] + generator.integers(1, 10, len(places))) % 10
    return changed


def flip_class(labels: np.ndarray, share: float, label: int, other: int) -> np.ndarray:
    """Calls a share of one class another one."""
    places = np.random.default_rng(0).permutation(np.flatnonzero(labels == label))
    changed = labels.copy()
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
    main()
