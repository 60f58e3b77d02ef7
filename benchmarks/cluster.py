r"""What parts on a cluster cost: speed-up, processor time, kills, and a plan for many images.

    python -m benchmarks.cluster --model candidate --parts 24 --size 110000 \
        --many 100000000 --workers 200

writes its tables into docs/cluster.md. Needs the cluster's packages (make cluster) and a quiet
machine of two cores; the images are noise of the model's size. Takes nine minutes. All processes
are on loopback. The scheduler of many images is a real one, with as many tasks and workers, all
workers in one process, and parts that take no time: what is measured is what isn't work.
"""

import argparse
import os
import pickle
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from distributed import LocalCluster, config
from ruamel.yaml import YAML

from benchmarks.machine import describe_machine
from benchmarks.pages import fill
from tasks.core.parameters import read_content
from tasks.images.policy import ImagePolicy
from tasks.models.store import CHAMPIONS
from tasks.predict.images import Files
from tasks.predict.model import find_folder, load_model
from tasks.predict.parts import make_plan
from tasks.runner.parts import SCHEDULER_VARIABLE, run_parts
from tests.cluster.functions import note
from tests.cluster.rig import Cluster, cluster_of

_LISTED = 1_000_000
_NAME = "camera-07/2026-11-26/{:09}.jpg"


def main() -> None:
    """Measures, and fills the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True, help="champion, candidate or a folder")
    parser.add_argument("--parts", type=int, required=True)
    parser.add_argument("--size", type=int, required=True, help="images of a part")
    parser.add_argument("--many", type=int, required=True, help="images of the plan")
    parser.add_argument("--workers", type=int, required=True, help="workers of the plan")
    arguments = parser.parse_args()
    size = arguments.size
    os.environ.pop(SCHEDULER_VARIABLE, None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = str(find_folder(arguments.model, CHAMPIONS).resolve())
        write_parameters(folder, size)
        write_noise(folder / "images.npy", arguments.parts * size, model)
        speed, seconds = compare(folder, model, arguments.parts)
        lines = [*speed, *count_attempts(folder / "kills"), ""]
        write_page(lines)  # the plan takes longest
        lines += plan_many(
            folder,
            arguments.many,
            workers=arguments.workers,
            size=size,
            seconds=seconds / arguments.parts,
        )
    write_page(lines)


def write_page(lines: list[str]) -> None:
    """Prints what is known so far, and puts it into the page."""
    machine = describe_machine("distributed", "ai-edge-litert", "pyarrow", "numpy")
    text = "\n".join([*lines, "", machine])
    print(text, flush=True)
    fill(Path("docs/cluster.md"), "figures", text)


def write_parameters(folder: Path, size: int) -> None:
    """Writes params.yaml with another size of parts."""
    content = read_content()
    content["predict"]["part_size"] = size
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(content, file)


def write_noise(path: Path, number: int, model: str) -> None:
    """Writes an .npy file of images that the model takes."""
    shape = load_model(model, num_threads=1).policy.shape
    noise = np.random.default_rng(0).integers(0, 256, (1000, *shape), dtype=np.uint8)
    images = np.lib.format.open_memmap(path, "w+", np.uint8, (number, *shape))
    for start in range(0, number, len(noise)):
        images[start : start + len(noise)] = noise[: number - start]


def compare(folder: Path, model: str, parts: int) -> tuple[list[str], float]:
    """One process on one core, then one and two workers; the seconds of the first, too."""
    alone = measure(folder, model, "alone", core=True)
    rows = [
        f"| {parts} parts of {alone[0] / parts:.1f} s | seconds | speed-up | × processor time |",
        "|---|---:|---:|---:|",
        f"| one process on one core | {alone[0]:.1f} | 1.00 | 1.00 |",
    ]
    started = time.perf_counter()
    with cluster_of(folder / "cluster", workers=2) as cluster:
        ready = time.perf_counter() - started
        both = measure(folder, model, "both", cluster=cluster)
    with cluster_of(folder / "cluster", workers=1) as cluster:
        one = measure(folder, model, "one", cluster=cluster)
    for name, (seconds, processor) in (("one worker", one), ("two workers", both)):
        speedup, cost = alone[0] / seconds, processor / alone[1]
        rows.append(f"| {name} of one thread | {seconds:.1f} | {speedup:.2f} | {cost:.2f} |")
    tables = {digest(folder / name) for name in ("alone", "one", "both")}
    assert len(tables) == 1, "the tables differ"
    assert len(tables.pop()) == parts
    rows += ["", f"A scheduler and two workers are ready after {ready:.1f} s."]
    return rows, alone[0]


def digest(folder: Path) -> tuple[bytes, ...]:
    """The bytes of the parts."""
    return tuple(path.read_bytes() for path in sorted(folder.glob("part-*")))


def measure(
    folder: Path, model: str, output: str, *, cluster: Cluster | None = None, core: bool = False
) -> tuple[float, float]:
    """Seconds and processor seconds of a prediction, with those of the cluster's processes."""
    command = [sys.executable, "-m", "tasks.predict", str(folder / "images.npy"), "--no-drift"]
    command += ["--model", model, "--output", output]
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    environment[SCHEDULER_VARIABLE] = cluster.address if cluster else ""
    watched = watch(cluster) if cluster else []
    before = sum_processor_seconds(watched)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    limit = partial(os.sched_setaffinity, 0, {min(os.sched_getaffinity(0))}) if core else None
    subprocess.run(command, cwd=folder, env=environment, check=True, preexec_fn=limit)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    return seconds, own + sum_processor_seconds(watched) - before


def watch(cluster: Cluster) -> list[psutil.Process]:
    """The processes of a cluster, nannies' workers included."""
    roots = [psutil.Process(one.pid) for one in (cluster.scheduler, *cluster.workers)]
    return [process for root in roots for process in (root, *root.children(recursive=True))]


def sum_processor_seconds(processes: list[psutil.Process]) -> float:
    """What they have used since they began."""
    times = [process.cpu_times() for process in processes]
    return sum(one.user + one.system for one in times)


def count_attempts(folder: Path) -> Iterator[str]:
    """Kills a worker in the middle of its part, once; how often parts are begun."""
    parts = 24
    notes = folder / "notes"
    notes.mkdir(parents=True)
    with cluster_of(folder, workers=2):
        results = run_parts(partial(note, folder=notes, seconds=0.5), range(parts))
        next(results)
        os.kill(int((notes / "0").read_text()), signal.SIGKILL)
        assert list(results) == list(range(1, parts))
    begun = sum(len(file.read_text().splitlines()) for file in notes.iterdir())
    yield f"{parts} parts and one killed worker: {begun} attempts."


def plan_many(folder: Path, many: int, *, workers: int, size: int, seconds: float) -> Iterator[str]:
    """What many images on many workers ask for, from what was measured and simulated."""
    memory = psutil.Process().memory_info
    before, started = memory().rss, time.perf_counter()
    policy = ImagePolicy(
        height=28, width=28, channels=1, size="refuse", background=None, white=None
    )
    names = [_NAME.format(number) for number in range(_LISTED)]
    stamps = [f"1234 {number}" for number in range(_LISTED)]
    listing = Files(names, stamps, policy, "/data")
    _, missing = make_plan(folder, listing, version="0" * 12, size=size)
    planned = (time.perf_counter() - started) / _LISTED
    held = (memory().rss - before) / _LISTED
    tasks = -(-many // size)
    each, sent = simulate(missing[0], tasks, workers)
    work = seconds * tasks / workers
    rows = [
        (f"parts of {size:,} images", f"{tasks:,}"),
        (f"work, {seconds:.1f} s each on {workers} workers", f"{work / 60:.1f} min"),
        ("scheduler and client, per part, simulated", f"{each * 1000:.1f} ms"),
        ("the same for all parts", f"{each * tasks / 60:.1f} min"),
        ("sent to a worker, per part", f"{sent / 2**20:.2f} MiB"),
        ("sent in all", f"{sent * tasks / 2**30:.1f} GiB"),
        ("the client's plan: names, stamps, keys", f"{planned * many / 60:.1f} min"),
        ("memory of the client for it", f"{held * many / 2**30:.1f} GiB"),
    ]
    yield f"| {many:,} images | |"
    yield "|---|---:|"
    yield from (f"| {name} | {value} |" for name, value in rows)


def simulate(part: object, tasks: int, workers: int) -> tuple[float, int]:
    """Seconds per part of a scheduler with many workers, and the bytes that a part is sent as."""
    options: dict[str, Any] = {"dashboard_address": None, "memory_limit": None}
    # What each worker watches of itself is done by its own machine elsewhere, and here by one.
    settings: Any = config["distributed"]
    settings["worker"]["profile"]["enabled"] = False
    settings["admin"]["system-monitor"]["interval"] = "1h"
    local: Any = LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=False,
        protocol="tcp",
        host="127.0.0.1",
        **options,
    )
    with local as cluster:
        os.environ[SCHEDULER_VARIABLE] = cluster.scheduler_address
        started = time.perf_counter()
        done = count()
        for _ in run_parts(do_nothing, (part for _ in range(tasks))):
            next(done)
        seconds = time.perf_counter() - started
        del os.environ[SCHEDULER_VARIABLE]
    assert next(done) == tasks
    return seconds / tasks, len(pickle.dumps(part))


def do_nothing(part: object) -> None:
    """A part that takes no time."""


if __name__ == "__main__":
    main()
