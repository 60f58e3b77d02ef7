"""How long 10,000 images take from a cold start, against Keras and ONNX Runtime.

    python -m venv /tmp/rival && /tmp/rival/bin/pip install -r benchmarks/requirements.txt
    python -m benchmarks.prediction --rounds 5 --onnx /tmp/rival/bin/python

writes a table into docs/models.md. Needs data/raw and a champion (dvc repro; pipeline gate). Every
measurement is a process of its own, which reads the same file, runs the same network on two
threads, and writes a Parquet file; the contestants take turns, so that other work on the machine
meets them all alike. A second process of each classifies the images twice: the second time is that
of the computation alone. Their predictions are compared, too.
"""

import argparse
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pyarrow import parquet

from benchmarks.machine import describe_machine
from benchmarks.pages import fill
from tasks.core.dataset import ImageSplit, load_split
from tasks.core.seal import seal
from tasks.models.card import MODEL_NAME, read_card, version_of
from tasks.models.store import CHAMPIONS
from tasks.predict.model import find_folder

OURS = "`tasks.predict --no-drift`"
_WORKER = ["-m", "benchmarks.prediction_worker"]


@dataclass(frozen=True)
class Contestant:
    """A command that writes a table, and one that tells the seconds of the computation alone."""

    whole: list[str]
    alone: list[str] | None


@dataclass(frozen=True)
class Run:
    """What a contestant took.

    Attributes:
        seconds: of a cold process, by the clock.
        processor_seconds: of all its threads.
        mebibytes: the most memory that it held.
        compute: seconds of the classification alone, at the second time.

    """

    seconds: float
    processor_seconds: float
    mebibytes: float
    compute: float


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
    contestants = prepare(folder, rival, model, few)
    outputs = {name: folder / f"{number}.parquet" for number, name in enumerate(contestants)}
    rounds = [
        {name: run_both(found, outputs[name]) for name, found in contestants.items()}
        for _ in range(num_rounds)
    ]
    answers = {name: read_answers(output) for name, output in outputs.items()}
    agreement = min(float((found == answers[OURS]).mean()) for found in answers.values())
    tenfold, _ = run([sys.executable, "-m", "tasks.predict", str(many), "--no-drift", *into(many)])
    memory = statistics.median(turn[OURS].mebibytes for turn in rounds)
    about = (
        f"Most memory held by {OURS}: {memory:.0f} MiB for {len(images):,} images,"
        f" {tenfold.mebibytes:.0f} MiB for {10 * len(images):,}. Any two give the same class to"
        f" {agreement:.2%} of the images at least. Model {version_of(model)}, {num_rounds} rounds."
    )
    machine = describe_machine("ai-edge-litert", "keras", "tensorflow", "numpy", "pyarrow")
    return "\n".join([render(rounds), "", about, machine])


def prepare(folder: Path, rival: str, model: Path, images: Path) -> dict[str, Contestant]:
    """All contestants; ONNX Runtime's models are converted from the files that ship."""
    # In a process of its own: a child's memory is counted from that of its parent.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        exact = pool.submit(export_in_float32, model, folder / "float32").result()
    ours = [sys.executable, "-m", "tasks.predict", str(images)]

    def worker(python: str, kind: str, file: Path) -> list[str]:
        return [python, *_WORKER, kind, str(file), str(images)]

    def onnx(name: str, source: Path) -> Contestant:
        target = folder / f"{name}.onnx"
        command = [rival, "-m", "tf2onnx.convert", "--tflite", str(source / MODEL_NAME)]
        subprocess.run([*command, "--output", str(target)], check=True, capture_output=True)
        return Contestant(*[worker(rival, "onnx", target)] * 2)

    return {
        OURS: Contestant(
            [*ours, "--no-drift"], worker(sys.executable, "litert", model / MODEL_NAME)
        ),
        "`tasks.predict`, with drift": Contestant(ours, None),
        "ours, exported in float32": Contestant(
            [*ours, "--no-drift", "--model", str(exact)],
            worker(sys.executable, "litert", exact / MODEL_NAME),
        ),
        "ONNX Runtime, the same network quantized": onnx("quantized", model),
        "ONNX Runtime, float32": onnx("float32", exact),
        "Keras `predict`": Contestant(
            *[worker(sys.executable, "keras", model / "model.keras")] * 2
        ),
    }


def export_in_float32(model: Path, target: Path) -> Path:
    """A folder of the same model, whose file that ships computes in float32."""
    import keras

    from tasks.train.export import convert_to_litert, with_probabilities
    from tasks.train.served import Validator

    shutil.copytree(model, target)
    card = read_card(model)
    whole: Any = keras.models.load_model(model / "model.keras", compile=False)
    network = keras.Model(whole.inputs, whole.get_layer("temperature").input)
    nothing = ImageSplit(np.empty((0, *network.input_shape[1:]), np.uint8), np.empty(0, np.uint8))
    served = Validator(network, nothing.all(), mirror=card["parameters"]["mirror"]).served()
    litert = convert_to_litert(with_probabilities(served, temperature=card["temperature"]))
    (target / MODEL_NAME).write_bytes(litert)
    seal(target)
    return target


def run_both(contestant: Contestant, output: Path) -> Run:
    """A whole process, and the computation of another one."""
    whole, _ = run([*contestant.whole, "--output", str(output)])
    if contestant.alone is None:
        return whole
    _, told = run([*contestant.alone, "--output", f"{output}.again", "--again"])
    return Run(whole.seconds, whole.processor_seconds, whole.mebibytes, float(told))


def into(images: Path) -> list[str]:
    """The option that names the table of some images."""
    return ["--output", str(images.with_suffix(".parquet"))]


def run(command: list[str]) -> tuple[Run, str]:
    """Runs a process to its end; gives what it told last, too."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    started = time.perf_counter()
    with (
        tempfile.TemporaryFile("w+") as messages,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=messages, env=environment, text=True
        ) as process,
    ):
        assert process.stdout is not None
        told = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            messages.seek(0)
            sys.exit(f"{' '.join(command)} has failed:\n{messages.read()}")
    found = Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, float("nan"))
    return found, told


def read_answers(table: Path) -> np.ndarray:
    """(n,) the position of the most likely class, from a table of ours or a rival's."""
    columns = parquet.read_table(table)
    names = [name for name in columns.column_names if name.startswith("probability: ")]
    return np.stack([columns[name].to_numpy() for name in names], axis=1).argmax(axis=1)


def render(rounds: list[dict[str, Run]]) -> str:
    """Markdown: seconds of each, and medians of the ratios within a round."""
    lines = [
        "| classifies 10,000 images | seconds, best | × ours | × ours, processor | computation |",
        "|---|---:|---:|---:|---:|",
    ]
    for name in rounds[0]:
        best = min(turn[name].seconds for turn in rounds)
        cold, processor, compute = (
            statistics.median(getattr(turn[name], of) / getattr(turn[OURS], of) for turn in rounds)
            for of in ("seconds", "processor_seconds", "compute")
        )
        alone = "" if np.isnan(compute) else f"{compute:.2f}"
        lines.append(f"| {name} | {best:.1f} | {cold:.2f} | {processor:.2f} | {alone} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
