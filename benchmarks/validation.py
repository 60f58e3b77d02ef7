"""What validation costs, against the import of Great Expectations, and how it grows.

    python -m benchmarks.validation

writes two tables into docs/validation.md. The data must have been ingested. Each measurement is a
process of its own; the rival, a process that only imports Great Expectations, runs in turn with it.
The images are repeated to get more of them, which changes nothing but their number.
"""

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from benchmarks.machine import describe_machine
from benchmarks.pages import fill
from tasks.core.dataset import ImageSplit, SplitName, load_split
from workspace.check import check_parameters

_ROUNDS = 5
_FACTORS = (1, 2, 4, 10)


def main() -> None:
    """Writes two Markdown tables."""
    text = [describe_machine("great-expectations", "numpy", "pandas"), ""]
    imports, wholes = [], []
    for _ in range(_ROUNDS):
        imports.append(_time("import great_expectations, great_expectations.expectations"))
        wholes.append(_time("from benchmarks.validation import judge_real; judge_real()"))
    ratios = [whole / alone for whole, alone in zip(wholes, imports, strict=True)]
    ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    text += [
        f"| process | median of {_ROUNDS} | ratio to the import |",
        "|---|---:|---:|",
        f"| import Great Expectations | {statistics.median(imports):.1f} s | 1 |",
        f"| the same and validate 70,000 images | {statistics.median(wholes):.1f} s | {ratio} |",
        "",
        "| images | seconds without the import | peak of its own memory |",
        "|---:|---:|---:|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for factor in _FACTORS:
            repeat_data(Path(folder), factor)
            line = subprocess.run(
                [sys.executable, "-m", "benchmarks.validation", folder],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            seconds, mebibytes = line.split()
            text.append(f"| {70_000 * factor:,} | {float(seconds):.1f} | {mebibytes} MiB |")
    print("\n".join(text))
    fill(Path("docs/validation.md"), "cost", "\n".join(text))


def judge_real() -> None:
    """Validates what was ingested."""
    from tasks.validate.verdict import validate

    parameters = SimpleNamespace(**check_parameters())
    splits: dict[SplitName, ImageSplit] = {name: load_split(name) for name in ("train", "test")}
    validate(splits, data=parameters.data, limits=parameters.validate)


def repeat_data(folder: Path, factor: int) -> None:
    """Writes each split `factor` times in a row."""
    for name in ("train", "test"):
        split = load_split(name)
        for part, array in (("images", split.images), ("labels", split.labels)):
            target = np.lib.format.open_memmap(
                folder / f"{name}_{part}.npy",
                mode="w+",
                dtype=array.dtype,
                shape=(len(array) * factor, *array.shape[1:]),
            )
            for number in range(factor):
                target[number * len(array) : (number + 1) * len(array)] = array
            target.flush()


def measure(folder: Path) -> None:
    """Validates what lies in a folder; prints the seconds and the peak of its own memory in MiB."""
    import great_expectations.expectations  # noqa: F401 - its import isn't measured

    from tasks.validate.verdict import validate

    parameters = SimpleNamespace(**check_parameters())
    peak = _watch_memory()
    splits: dict[SplitName, ImageSplit] = {
        name: ImageSplit(
            np.load(folder / f"{name}_images.npy", mmap_mode="r"),
            np.load(folder / f"{name}_labels.npy", mmap_mode="r"),
        )
        for name in ("train", "test")
    }
    started = time.perf_counter()
    validate(splits, data=parameters.data, limits=parameters.validate)
    seconds = time.perf_counter() - started
    print(seconds, max(peak) // 1024)


def _watch_memory() -> list[int]:
    """Samples, in a thread, the memory in KiB that the process holds of its own.

    Pages of the mapped arrays don't count: the system takes them back when it needs them.
    """
    samples: list[int] = []

    def sample() -> None:
        while True:
            status = Path("/proc/self/status").read_text(encoding="ascii")
            samples.append(int(status.partition("RssAnon:")[2].split()[0]))
            time.sleep(0.01)

    threading.Thread(target=sample, daemon=True).start()
    return samples


def _time(program: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(Path(sys.argv[1]))
    else:
        main()
