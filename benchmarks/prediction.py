"""How long 10,000 images take from a cold start, against Keras and ONNX Runtime.

    python -m venv /tmp/rival && /tmp/rival/bin/pip install -r benchmarks/requirements.txt
    python -m benchmarks.prediction --rounds 5 --onnx /tmp/rival/bin/python

writes a table into docs/models.md. Needs data/raw and a model (dvc repro). Every measurement is a
process of its own, which reads the same file, runs the same network on two threads, and writes a
Parquet file; the contestants take turns, so that other work on the machine meets them all alike.
Their predictions are compared, too.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pyarrow import parquet

from benchmarks.machine import describe_machine
from benchmarks.pages import fill
from tasks.core.dataset import load_split
from tasks.models.card import MODEL_NAME, version_of
from tasks.models.store import CHAMPIONS
from tasks.predict.model import find_folder

OURS = "`tasks.predict --no-drift`"
_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Run:
    """What a process took.

    Attributes:
        seconds: by the clock.
        processor_seconds: of all its threads.
        mebibytes: the most memory that it held.

    """

    seconds: float
    processor_seconds: float
    mebibytes: float


def main() -> None:
    """Runs the rounds, compares the predictions, writes two tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--onnx", required=True, help="a Python that has ONNX Runtime and tf2onnx")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = measure(folder, arguments.onnx, arguments.rounds)
    print(text)
    fill(Path("docs/models.md"), "speed", text)


def measure(folder: Path, rival: str, num_rounds: int) -> str:
    """Markdown: the contestants, and our memory for ten times as many images."""
    model = find_folder(None, CHAMPIONS)
    images = np.array(load_split("test").images)
    few, many = folder / "few.npy", folder / "many.npy"
    np.save(few, images)
    np.save(many, np.concatenate([images] * 10))
    convert = ["-m", "tf2onnx.convert", "--tflite", str(model / MODEL_NAME)]
    onnx = folder / "model.onnx"
    subprocess.run([rival, *convert, "--output", str(onnx)], check=True, capture_output=True)

    ours = [sys.executable, "-m", "tasks.predict", str(few)]
    worker = ["-m", "benchmarks.prediction_worker"]
    contestants = {
        OURS: [*ours, "--no-drift"],
        "`tasks.predict`, with drift": ours,
        "ONNX Runtime": [rival, *worker, "onnx", str(onnx), str(few)],
        "Keras `predict`": [sys.executable, *worker, "keras", str(model / "model.keras"), str(few)],
    }
    outputs = {name: folder / f"{number}.parquet" for number, name in enumerate(contestants)}
    rounds = [
        {
            name: run([*command, "--output", str(outputs[name])])
            for name, command in contestants.items()
        }
        for _ in range(num_rounds)
    ]
    expected = read_probabilities(outputs[OURS])
    differences = {
        name: float(np.abs(read_probabilities(output) - expected).max())
        for name, output in outputs.items()
    }
    assert max(differences.values()) < _TOLERANCE, differences
    tenfold = run([sys.executable, "-m", "tasks.predict", str(many), "--no-drift", *into(many)])
    memory = statistics.median(turn[OURS].mebibytes for turn in rounds)
    about = (
        f"Most memory held by {OURS}: {memory:.0f} MiB for {len(images):,} images,"
        f" {tenfold.mebibytes:.0f} MiB for {10 * len(images):,}. The largest difference between two"
        f" probabilities: {max(differences.values()):.0e}. Model {version_of(model)},"
        f" {num_rounds} rounds."
    )
    machine = describe_machine("ai-edge-litert", "keras", "tensorflow", "numpy", "pyarrow")
    return "\n".join([render(rounds), "", about, machine])


def into(images: Path) -> list[str]:
    """The option that names the table of some images."""
    return ["--output", str(images.with_suffix(".parquet"))]


def run(command: list[str]) -> Run:
    """Runs a process to its end."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    started = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, text=True
    ) as process:
        assert process.stderr is not None
        messages = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} has failed:\n{messages}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def read_probabilities(table: Path) -> np.ndarray:
    """(n, classes) float32, from a table of ours or a rival's."""
    columns = parquet.read_table(table)
    names = [name for name in columns.column_names if name.startswith("probability: ")]
    return np.stack([columns[name].to_numpy() for name in names], axis=1)


def render(rounds: list[dict[str, Run]]) -> str:
    """Markdown: seconds of each, and medians of the ratios within a round."""
    lines = [
        "| classifies 10,000 images | seconds, best | × ours | × ours, processor time |",
        "|---|---:|---:|---:|",
    ]
    for name in rounds[0]:
        best = min(turn[name].seconds for turn in rounds)
        ratios = [
            statistics.median(getattr(turn[name], of) / getattr(turn[OURS], of) for turn in rounds)
            for of in ("seconds", "processor_seconds")
        ]
        lines.append(f"| {name} | {best:.1f} | {ratios[0]:.2f} | {ratios[1]:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
