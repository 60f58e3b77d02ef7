"""How fast a network trains: against PyTorch, the machine's limit, and a loop of one's own.

    python -m venv /tmp/torch && /tmp/torch/bin/pip install -r benchmarks/requirements.txt
    git worktree add /tmp/former 7247929    # the last commit with a training loop of its own
    python -m benchmarks.throughput --rounds 15 --torch /tmp/torch/bin/python --former /tmp/former

Every contestant is a process that waits; in each round each of them trains an epoch of 200 batches
of 128 images to warm up and one that counts, one contestant after the other, so that other work on
the machine meets them all alike. The ratios are medians over the rounds. Writes a table into
docs/training.md. Without --torch or --former, there is no such row.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.machine import describe_machine
from benchmarks.pages import fill
from tasks.core.processor import has_instructions

LIMIT = "products of large matrices"
BFLOAT16 = 'precision="bfloat16"'
NATIVE = 'processor="native"'
FORMER = "a loop of one's own"
DEEP = ['architecture="residual_deep"', 'optimizer="muon"']
CONTESTANTS = {
    LIMIT: ["products"],
    "PyTorch, channels-last": ["torch"],
    "PyTorch, channels-last, bfloat16": ["torch", BFLOAT16],
    FORMER: ["loop"],
    "this pipeline": ["pipeline"],
    "this pipeline, deterministic: false": ["pipeline", "deterministic=false"],
    "this pipeline, onednn: false": ["pipeline", "onednn=false"],
    "this pipeline, one thread": ["pipeline", "threads=1"],
    "this pipeline, precision: bfloat16": ["pipeline", BFLOAT16, NATIVE],
    "this pipeline, processor: native": ["pipeline", NATIVE],
    f"{FORMER}, residual_deep with Muon": ["loop", *DEEP],
    "this pipeline, residual_deep with Muon": ["pipeline", *DEEP],
}
# Multiplications of each convolution and dense layer for one image, forward; as many backward to
# the weights and, but for the first layer, to the input. Each goes with an addition.
_FORWARD = [26**2 * 9 * 32, 11**2 * 9 * 32 * 64, 3**2 * 9 * 64 * 64, 64 * 512, 512 * 10]
OPERATIONS_PER_IMAGE = 2 * (3 * sum(_FORWARD) - _FORWARD[0])


def main() -> None:
    """Runs the rounds and prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--torch", help="a Python that has PyTorch")
    parser.add_argument("--former", type=Path, help="a checkout whose training is a loop")
    arguments = parser.parse_args()
    workers = {
        name: start(arguments.torch if kind[0] == "torch" else sys.executable, kind, folder)
        for name, kind in CONTESTANTS.items()
        if BFLOAT16 not in kind or has_instructions("avx512_bf16", "amx_bf16", "bf16")
        if NATIVE not in kind or has_instructions("avx512f")
        if kind[0] != "torch" or arguments.torch
        if (folder := arguments.former if name.startswith(FORMER) else Path()) is not None
    }
    rounds = [
        {name: rate(worker) for name, worker in workers.items()} for _ in range(arguments.rounds)
    ]
    for worker in workers.values():
        worker.communicate()
    machine = describe_machine("tensorflow", "keras", "numpy")
    text = f"{render_table(rounds)}\n\n{arguments.rounds} rounds. {machine}"
    print(text)
    fill(Path("docs/training.md"), "throughput", text)


def start(python: str, kind: list[str], folder: Path) -> "subprocess.Popen[str]":
    """Starts a worker with the modules of the checkout in a folder and waits until it is ready.

    The loop's checkout knows no `train.processor`; oneDNN is held to what `portable` holds it to.
    """
    held = {"ONEDNN_MAX_CPU_ISA": "AVX2"} if kind[0] == "loop" else {}
    worker = subprocess.Popen(
        [python, Path("benchmarks/throughput_worker.py").absolute(), *kind],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ
        | {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}
        | {"PYTHONPATH": str(folder.absolute())}
        | held,
    )
    assert worker.stdout is not None
    for line in worker.stdout:
        if line == "ready\n":
            return worker
    sys.exit(f"{' '.join(kind)} has failed to start with {python} in {folder}")


def rate(worker: "subprocess.Popen[str]") -> tuple[float, float]:
    """One turn of a worker: its amount per second, and per second of one processor."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write("go\n")
    worker.stdin.flush()
    answer = json.loads(worker.stdout.readline())
    return answer["amount"] / answer["seconds"], answer["amount"] / answer["processor_seconds"]


def render_table(rounds: list[dict[str, tuple[float, float]]]) -> str:
    """Markdown: images per second, and the ratios to the first row of the same network."""
    lines = [
        "| trains | images/s, best | of the limit | ratio | ratio, processor time |",
        "|---|---|---|---|---|",
    ]
    firsts: dict[bool, str] = {}
    for name in rounds[0]:
        if name == LIMIT:
            continue
        deep = DEEP[0] in CONTESTANTS[name]
        first = firsts.setdefault(deep, name)
        best = max(turn[name][0] for turn in rounds)
        share = statistics.median(
            turn[name][0] * OPERATIONS_PER_IMAGE / turn[LIMIT][0] for turn in rounds
        )
        ratios = [
            statistics.median(turn[name][which] / turn[first][which] for turn in rounds)
            for which in (0, 1)
        ]
        limit = "" if deep else f"{share:.0%}"
        lines.append(f"| {name} | {best:,.0f} | {limit} | {ratios[0]:.2f} | {ratios[1]:.2f} |")
    limit = max(turn[LIMIT][0] for turn in rounds) / 1e9
    return "\n".join([*lines, "", f"Limit: {limit:.0f} GFLOP/s in float32 at best."])


if __name__ == "__main__":
    main()
