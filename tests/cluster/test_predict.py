"""Predictions on a cluster are those of one process, byte for byte, whatever dies meanwhile."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from tasks.runner.parts import SCHEDULER_VARIABLE
from tests.cluster.rig import Cluster, cluster_of, kill, wait_for
from tests.conftest import PROJECT, environment, read_parameters, write_parameters
from tests.tasks.predict.conftest import MODEL

NUM_IMAGES = 600
# Of so many parts, some are still to come when a test has seen the first, on a fast machine, too.
NUM_PARTS = 50


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parameters, a model, and images of which one is broken."""
    place = tmp_path_factory.mktemp("place")
    parameters = read_parameters()
    parameters["predict"] |= {"part_size": NUM_IMAGES // NUM_PARTS, "batch_size": 5}
    write_parameters(place, parameters)
    shutil.copytree(MODEL, place / "models" / "candidate")
    folder = place / "images"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (NUM_IMAGES, 28, 28), dtype=np.uint8)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{number:03}.png", compress_level=1)
    (folder / "300.png").write_text("no picture")
    return place


@pytest.fixture(scope="module")
def expected(place: Path) -> dict[str, str]:
    """What one process on this machine writes."""
    finish(start(place, "alone", scheduler=""))
    assert parquet.read_table(place / "alone").num_rows == NUM_IMAGES
    return digest(place / "alone")


def start(place: Path, output: str, *, scheduler: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tasks.predict", "images", "--model", "candidate"]
    return subprocess.Popen(
        [*command, "--no-drift", "--output", output],
        cwd=place,
        env=environment() | {"PYTHONPATH": str(PROJECT), SCHEDULER_VARIABLE: scheduler},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str], status: int = 0) -> str:
    said, _ = process.communicate(timeout=120)
    assert process.returncode == status, said
    return said


def digest(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.is_file()
    }


def wait_for_parts(folder: Path, number: int) -> None:
    wait_for(lambda: len(list(folder.glob("part-*"))) >= number)


def worker_processes(cluster: Cluster) -> list[int]:
    """The processes that nannies watch over."""
    from distributed import Client

    with Client(cluster.address, set_as_default=False) as client:
        processes: Any = client.run(os.getpid)
    return list(processes.values())


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster_of(tmp_path_factory.mktemp("cluster"), workers=1) as cluster:
        yield cluster


def test_one_two_and_three_workers_write_what_one_process_writes(
    place: Path, expected: dict[str, str], cluster: Cluster
) -> None:
    for number in (1, 2, 3):
        if number > 1:
            cluster.start_worker()
            cluster.wait_for_workers(number)
        said = finish(start(place, f"by-{number}", scheduler=cluster.address))
        assert "599 of 600 images" in said
        assert digest(place / f"by-{number}") == expected


def test_a_killed_worker_changes_nothing(
    place: Path, expected: dict[str, str], cluster: Cluster
) -> None:
    process = start(place, "worker", scheduler=cluster.address)
    wait_for_parts(place / "worker", 2)
    kill(worker_processes(cluster)[0])
    finish(process)
    assert digest(place / "worker") == expected


def test_a_killed_run_is_gone_on_with(
    place: Path, expected: dict[str, str], cluster: Cluster
) -> None:
    process = start(place, "run", scheduler=cluster.address)
    wait_for_parts(place / "run", 2)
    process.kill()
    process.communicate()
    before = {path: path.stat().st_mtime_ns for path in (place / "run").glob("part-*")}
    assert 0 < len(before) < NUM_PARTS
    finish(start(place, "run", scheduler=cluster.address))
    assert digest(place / "run") == expected
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


def test_a_killed_scheduler_is_told_and_the_next_one_goes_on(
    place: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    with cluster_of(tmp_path / "cluster", workers=1) as cluster:
        process = start(place, "scheduler", scheduler=cluster.address)
        wait_for_parts(place / "scheduler", 2)
        cluster.kill_scheduler()
        assert "The scheduler has ended. Start it" in finish(process, status=1)
    before = {path: path.stat().st_mtime_ns for path in (place / "scheduler").glob("part-*")}
    with cluster_of(tmp_path / "next", workers=1) as cluster:
        finish(start(place, "scheduler", scheduler=cluster.address))
    assert digest(place / "scheduler") == expected
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


def test_an_image_that_ends_its_worker_three_times_is_a_row_with_an_error(
    place: Path, tmp_path: Path
) -> None:
    """The worker ends while it opens the image, as a fault in a library would end it."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os\n"
        "from pathlib import Path\n"
        "read = os.open\n"
        "def open(path, *rest, **more):\n"
        "    if str(path).endswith('/images/123.png'):\n"
        "        os._exit(1)\n"
        "    return read(path, *rest, **more)\n"
        "os.open = open\n"
    )
    with cluster_of(tmp_path / "cluster", workers=0) as cluster:
        cluster.start_worker(PYTHONPATH=os.pathsep.join([str(tmp_path), str(PROJECT)]))
        said = finish(start(place, "broken", scheduler=cluster.address))
    assert "598 of 600 images" in said
    table = parquet.read_table(place / "broken")
    errors = {row["image"]: row["error"] for row in table.to_pylist() if row["error"]}
    assert errors.keys() == {"123.png", "300.png"}
    assert errors["123.png"] == "123.png has ended the process that read it, 3 times"
    assert json.loads((place / "broken" / "_predictions.json").read_text())["errors"] == 2


def test_a_run_that_is_asked_to_end_ends_in_order(place: Path, cluster: Cluster) -> None:
    process = start(place, "asked", scheduler=cluster.address)
    wait_for_parts(place / "asked", 1)
    process.terminate()
    assert finish(process, status=143) == ""
