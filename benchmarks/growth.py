"""How the stages' time and memory grow with the number of images.

    python -m benchmarks.growth KIND NUMBER

makes that many images up, and a tenth of them, runs all six stages on both, and writes a table into
docs/speed.md, row by row. KIND is `photographs` (224 × 224 pixels in colour, as JPEG files in
folders; 150 KB of `data/raw` each) or `npz` (28 × 28, grey, in one file). A tenth of an npz are
test images, of photographs what `ingest` chooses. Each stage is a process of its own, just as
DVC would start it; training is one epoch of the smallest network, in bfloat16, because its
memory doesn't depend on the number of epochs.
"""

import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from ruamel.yaml import YAML

from benchmarks.machine import describe_machine
from benchmarks.pages import fill
from tasks.propose.options import Options
from tasks.propose.proposal import propose
from tasks.runner.parts import map_parts

_CLASSES, _SAMPLE = 10, 2_000
_SIDE, _SMALL_SIDE = 224, 28
_AT_ONCE = 10_000
_STAGES = ("ingest", "validate", "prepare", "train", "evaluate", "report")


class Cost(NamedTuple):
    """What a process needed.

    Attributes:
        processor: seconds of processor time, in all threads; other processes hardly change it.
        seconds: from start to end.
        own: the peak of its own memory, in bytes; not the pages of mapped files, which the system
            takes back when it needs them.

    """

    processor: float
    seconds: float
    own: int


class Kind(NamedTuple):
    """A kind of made-up set: what writes so many into a folder, and where there; its recipe."""

    write: Callable[[Path, int], None]
    path: str
    size: tuple[int, int]
    batch_size: int


def main() -> None:
    """Writes a Markdown table, row by row."""
    if len(sys.argv) != 3 or sys.argv[1] not in KINDS:
        sys.exit(__doc__)
    kind, number = sys.argv[1], int(sys.argv[2])
    fewer = number // 10
    columns = (
        *("stage", f"processor time, {fewer:,}", f"{number:,}", "per image"),
        *(f"seconds, {number:,}", f"own memory, {fewer:,}", f"{number:,}"),
    )
    text = [
        describe_machine("numpy", "pillow", "great-expectations", "tensorflow"),
        "",
        f"| {' | '.join(columns)} |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tasks").symlink_to(Path("tasks").absolute())
        less = list(run_stages(kind, fewer, Path(folder)))
        for stage, few, many in zip(
            _STAGES, less, run_stages(kind, number, Path(folder)), strict=True
        ):
            ratio = many.processor / few.processor * fewer / number
            text.append(
                f"| {stage} | {few.processor:.0f} s | {many.processor:.0f} s | {ratio:.2f} |"
                f" {many.seconds:.0f} | {few.own / 2**30:.2f} GiB | {many.own / 2**30:.2f} GiB |"
            )
            print(text[-1], flush=True)
            fill(Path("docs/speed.md"), f"growth of {kind}", "\n".join(text))
        size = (Path(folder) / "reports" / "report.html").stat().st_size
    text += ["", f"The report has {size / 2**20:.1f} MiB."]
    fill(Path("docs/speed.md"), f"growth of {kind}", "\n".join(text))


def run_stages(kind: str, number: int, workspace: Path) -> Iterator[Cost]:
    """Makes images and runs the stages on them, one by one."""
    made_up = KINDS[kind]
    reports = workspace / "reports"
    reports.mkdir(exist_ok=True)
    (reports / "baseline.json").write_text("{}\n", encoding="utf-8")
    made_up.write(workspace / "sample", _SAMPLE)
    proposal = workspace / "proposal.yaml"
    proposal.unlink(missing_ok=True)
    options = Options(size=made_up.size)
    propose(str(workspace / "sample" / made_up.path), proposal, options)
    made_up.write(workspace / "images", number)
    write_parameters(workspace, proposal, made_up)
    for stage in _STAGES:
        yield run_stage(stage, workspace)


def write_parameters(workspace: Path, proposal: Path, made_up: Kind) -> None:
    """Writes params.yaml: what was proposed for the sample, for the images that grow."""
    reader = YAML(typ="safe")
    parameters = reader.load(proposal.read_text(encoding="utf-8"))
    parameters["data"] |= {"train_images": None, "test_images": None}
    parameters["ingest"]["path"] = str(Path("images") / made_up.path)
    # The most even image of a set is another one than that of the sample.
    parameters["validate"] |= {"min_spread": 1.0, "accepted_labels": None}
    # Of few images, those that are chosen to test on are less even.
    parameters["validate"] |= {"share_tolerance": 0.5, "max_divergence": 1.0}
    parameters["train"] |= {"architecture": "light", "epochs": 1}
    parameters["train"] |= {"precision": "bfloat16", "processor": "native"}
    parameters["train"] |= {"batch_size": made_up.batch_size}
    with (workspace / "params.yaml").open("w", encoding="utf-8") as file:
        reader.dump(parameters, file)


def write_photographs(folder: Path, number: int) -> None:
    """Writes FOLDER/CLASS/NUMBER.jpg where there is none: its class's colours, clouds, noise."""
    colours = np.random.default_rng(0).integers(64, 192, (_CLASSES, 3))
    for label in range(_CLASSES):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)

    def write(numbers: Any) -> None:
        for (each,) in numbers:
            path = folder / str(each % _CLASSES) / f"{each:06}.jpg"
            if path.exists():
                continue
            generator = np.random.default_rng([1, each])
            clouds = colours[each % _CLASSES] + generator.integers(-60, 61, (7, 7, 3))
            smooth = Image.fromarray(clouds.astype(np.uint8)).resize((_SIDE, _SIDE))
            noise = generator.integers(0, 8, (_SIDE, _SIDE, 3), dtype=np.uint8)
            Image.fromarray(np.asarray(smooth) // 9 * 8 + noise).save(path, quality=85)

    for _ in map_parts(write, ((each,) for each in range(number)), size=64):
        pass


def write_npz(folder: Path, number: int) -> None:
    """Writes FOLDER/images.npz by the names of MedMNIST: the class's shape, and noise."""
    folder.mkdir(exist_ok=True)
    shapes = np.random.default_rng(0).integers(0, 25, (_CLASSES, 7, 7)).repeat(4, 1).repeat(4, 2)
    shapes = (shapes * (shapes > 8) * 10).astype(np.uint8)
    parts = {"test": number // 10, "train": number - number // 10}
    with zipfile.ZipFile(folder / "images.npz", "w") as archive:
        for seed, (part, size) in enumerate(parts.items()):
            labels = (np.arange(size) % _CLASSES).astype(np.uint8)
            with archive.open(f"{part}_labels.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, labels)
            header = {"descr": "|u1", "fortran_order": False}
            with archive.open(f"{part}_images.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array_header_1_0(
                    file, header | {"shape": (size, _SMALL_SIDE, _SMALL_SIDE)}
                )
                for start in range(0, size, _AT_ONCE):
                    chosen = shapes[labels[start : start + _AT_ONCE]]
                    generator = np.random.default_rng([seed, start])
                    noise = generator.integers(0, 16, chosen.shape, np.uint8)
                    file.write((chosen + noise * (chosen > 0)).tobytes())


def run_stage(stage: str, workspace: Path) -> Cost:
    """Runs one stage in a folder, and watches it."""
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", f"tasks.{stage}"],
        cwd=workspace,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.DEVNULL,
    )
    own = 0
    while True:
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
        own = max(own, _read_memory(process.pid).get("RssAnon", 0))
        time.sleep(0.02)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return Cost(usage.ru_utime + usage.ru_stime, time.monotonic() - started, own)


def _read_memory(process: int) -> dict[str, int]:
    """What Linux says about a process's memory, in bytes; nothing of one that is ending."""
    text = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    lines = [line.split() for line in text.splitlines()]
    return {line[0].rstrip(":"): int(line[1]) * 1024 for line in lines if line[-1] == "kB"}


KINDS = {
    "photographs": Kind(write_photographs, "", (_SIDE, _SIDE), 32),
    "npz": Kind(write_npz, "images.npz", (_SMALL_SIDE, _SMALL_SIDE), 256),
}

if __name__ == "__main__":
    main()
