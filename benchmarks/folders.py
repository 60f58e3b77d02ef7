"""How the stages' time and memory grow with the number of images in a folder.

    python -m benchmarks.folders

writes a table into docs/data.md, row by row. The images are made up: 64 × 64 pixels, in colour,
ten classes, as PNG files in a temporary folder, which takes up to 7 GB with what ingest makes of
them. Each stage is a process of its own, just as DVC would start it; training is one epoch of the
smallest network, because its memory doesn't depend on the number of epochs. Takes half an hour.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from ruamel.yaml import YAML

from benchmarks.machine import describe_machine
from benchmarks.pages import fill
from tasks.propose.options import Options
from tasks.propose.proposal import propose

_SIDE = 64
_CLASSES = 10
_SAMPLE = 2_000
_FEWEST = 12_500
_FACTORS = (1, 2, 4, 16)
# The ones before train are measured for each number of images, all of them for the largest.
_GROWING = ("ingest", "validate", "prepare")
_STAGES = (*_GROWING, "train", "evaluate", "report")


class Cost(NamedTuple):
    """What a process needed.

    Attributes:
        seconds: of processor time, in all threads; other processes hardly change it.
        own: the peak of its own memory, in bytes.
        resident: the peak including the pages of mapped files, which the system takes back when it
            needs them.

    """

    seconds: float
    own: int
    resident: int


def main() -> None:
    """Writes a Markdown table, row by row."""
    columns = (
        *("images", "stage", "processor time", f"per image, to that of {_FEWEST:,}"),
        *("own memory, peak", "with mapped files"),
    )
    text = [
        describe_machine("numpy", "pillow", "great-expectations", "tensorflow"),
        "",
        f"| {' | '.join(columns)} |",
        "|---:|---|---:|---:|---:|---:|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for row in measure(Path(folder)):
            text.append(row)
            fill(Path("docs/data.md"), "growth", "\n".join(text))


def measure(workspace: Path) -> Iterator[str]:
    """Makes images and runs the stages; gives the rows of the table."""
    write_images(workspace / "sample", range(_SAMPLE))
    propose(str(workspace / "sample"), workspace / "proposal.yaml", Options())
    write_parameters(workspace)
    (workspace / "reports").mkdir()
    (workspace / "reports" / "baseline.json").write_text("{}\n", encoding="utf-8")
    first: dict[str, float] = {}
    present = 0
    for factor in _FACTORS:
        number = factor * _FEWEST
        write_images(workspace / "images", range(present, number))
        present = number
        for stage in _STAGES if factor == max(_FACTORS) else _GROWING:
            cost = run_stage(stage, workspace)
            per_image = cost.seconds / number
            ratio = f"{per_image / first.setdefault(stage, per_image):.2f}"
            row = (
                f"| {number:,} | {stage} | {cost.seconds:.0f} s"
                f" | {ratio if stage in _GROWING else ''}"
                f" | {cost.own / 2**30:.2f} GiB | {cost.resident / 2**30:.2f} GiB |"
            )
            print(row, flush=True)
            yield row


def write_images(folder: Path, numbers: Iterable[int]) -> None:
    """Writes FOLDER/CLASS/NUMBER.png: the colours of the class, clouds and noise."""
    colours = np.random.default_rng(0).integers(64, 192, (_CLASSES, 3))
    for label in range(_CLASSES):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
    for number in numbers:
        generator = np.random.default_rng([1, number])
        label = number % _CLASSES
        clouds = colours[label] + generator.integers(-60, 61, (4, 4, 3))
        smooth = Image.fromarray(clouds.astype(np.uint8)).resize((_SIDE, _SIDE))
        noise = generator.integers(0, 8, (_SIDE, _SIDE, 3), dtype=np.uint8)
        path = folder / str(label) / f"{number:06}.png"
        Image.fromarray(np.asarray(smooth) // 9 * 8 + noise).save(path, compress_level=1)


def write_parameters(workspace: Path) -> None:
    """Writes params.yaml: what was proposed for the sample, for the folder that grows."""
    reader = YAML(typ="safe")
    parameters = reader.load((workspace / "proposal.yaml").read_text(encoding="utf-8"))
    parameters["data"] |= {"train_images": None, "test_images": None}
    parameters["ingest"]["path"] = "images"
    # The most even of many images is more even than that of the sample.
    parameters["validate"]["min_spread"] = 1.0
    parameters["train"] |= {"architecture": "light", "epochs": 1, "batch_size": 256}
    with (workspace / "params.yaml").open("w", encoding="utf-8") as file:
        reader.dump(parameters, file)


def run_stage(stage: str, workspace: Path) -> Cost:
    """Runs one stage in a folder, and watches it."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"tasks.{stage}"],
        cwd=workspace,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.DEVNULL,
    )
    own = resident = 0
    while True:
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
        memory = _read_memory(process.pid)
        own = max(own, memory.get("RssAnon", 0))
        resident = max(resident, memory.get("VmHWM", 0))
        time.sleep(0.02)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return Cost(usage.ru_utime + usage.ru_stime, own, resident)


def _read_memory(process: int) -> dict[str, int]:
    """What Linux says about a process's memory, in bytes; nothing of one that is ending."""
    text = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    lines = [line.split() for line in text.splitlines()]
    return {line[0].rstrip(":"): int(line[1]) * 1024 for line in lines if line[-1] == "kB"}


if __name__ == "__main__":
    main()
