"""Files that were made to do harm, under hashes that fit, so that only the readers stand guard."""

import gzip
import hashlib
import json
import re
import resource
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import environment, read_small_parameters, write_parameters
from tests.faults.rig import run

pytestmark = pytest.mark.faults(
    "hostile input: forged npy header asking for 90 GiB, pickled arrays, zip bomb, IDX header"
    " asking for 2⁹⁶ bytes, class named `<script>`, YAML with Python tags",
    "refused with a clear error, bounded memory",
)

MEMORY = 3 * 2**30


def run_bounded(*arguments: str, root: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a module that gets no more than 3 GiB of addresses."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=root,
        env=environment() | {"OPENBLAS_NUM_THREADS": "1"} | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        preexec_fn=limit,
    )


def require_clear(completed: subprocess.CompletedProcess[str], stage: str) -> str:
    """A failure without a traceback; gives its last line."""
    assert completed.returncode == 1, completed.stdout
    assert "Traceback" not in completed.stdout
    last = completed.stdout.splitlines()[-1]
    assert last.startswith(f"{stage}: ")
    return last


def forge(root: Path, name: str, content: bytes) -> None:
    """Replaces an ingested array, and its hash in the manifest."""
    raw = root / "data" / "raw"
    (raw / name).write_bytes(content)
    manifest = json.loads((raw / "manifest.json").read_text("utf-8"))
    manifest["arrays"][name]["sha256"] = hashlib.sha256(content).hexdigest()
    (raw / "manifest.json").write_text(json.dumps(manifest), "utf-8")


def npy(header: str, body: bytes) -> bytes:
    padded = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded.encode() + body


class Harmful:
    """Pickled, it makes a file when it is unpickled."""

    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("owned"),))


@pytest.mark.parametrize(
    "content",
    [
        npy("{'descr': '|u1', 'fortran_order': False, 'shape': (96636764160,), }", bytes(99)),
        npy("{'descr': '|u1', 'fortran_order': False, 'shape': (-1,), }", bytes(99)),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 28, 28, 1), }", bytes(12544)),
        npy("__import__('pathlib').Path('owned').touch()", b""),
        b"\x93NUMPY",
        b"",
    ],
    ids=["90 GiB", "negative", "floats", "code", "cut", "empty"],
)
def test_a_forged_array_is_refused(finished: Path, content: bytes) -> None:
    forge(finished, "train_images.npy", content)
    last = require_clear(run_bounded("tasks.prepare", root=finished), "prepare")
    assert "data/raw/train_images.npy holds" in last
    assert "Mend it: rm -r data/raw" in last
    assert not (finished / "owned").exists()


def test_a_pickled_array_is_refused_and_not_unpickled(finished: Path, tmp_path: Path) -> None:
    path = tmp_path / "objects.npy"
    np.save(path, np.array([Harmful()], dtype=object), allow_pickle=True)
    forge(finished, "train_images.npy", path.read_bytes())
    last = require_clear(run_bounded("tasks.prepare", root=finished), "prepare")
    assert "data/raw/train_images.npy holds" in last
    assert not (finished / "owned").exists()


def source(root: Path, content: bytes) -> None:
    (root / "data" / "source" / "train-images-idx3-ubyte.gz").write_bytes(content)
    parameters = read_small_parameters()
    parameters["ingest"] |= {"system_folder": "nowhere", "urls": []}
    write_parameters(root, parameters)


@pytest.mark.long
def test_a_zip_bomb_is_refused_in_bounded_memory(finished: Path) -> None:
    part = gzip.compress(bytes(2**26))
    source(finished, part * 64)  # 4 GiB, in 4 MiB
    completed = run_bounded("tasks.ingest", root=finished, PATH="")
    require_clear(completed, "ingest")
    assert re.search(r"train-images-idx3-ubyte.* more than the [\d,]+ bytes", completed.stdout)


def test_an_idx_header_that_asks_for_more_than_there_is_is_refused(finished: Path) -> None:
    side = 2**32 - 1
    source(finished, gzip.compress(struct.pack(">4B3I", 0, 0, 8, 3, side, side, side)))
    completed = run_bounded("tasks.ingest", root=finished, PATH="")
    assert "its header says" in require_clear(completed, "ingest")


def test_yaml_with_python_tags_is_refused_and_not_obeyed(finished: Path) -> None:
    (finished / "params.yaml").write_text("data: !!python/object/apply:os.system ['touch owned']\n")
    completed = run("tasks.parameters", root=finished, check=False)
    assert completed.returncode == 1
    assert completed.stdout.startswith("params.yaml is not valid YAML: could not determine a const")
    assert run("dvc", "repro", root=finished, check=False).returncode != 0
    assert not (finished / "owned").exists()


@pytest.mark.long
def test_a_class_named_script_stays_text_in_the_report(finished: Path) -> None:
    parameters = read_small_parameters()
    parameters["data"]["classes"][0] = "<script>alert(1)</script>"
    parameters["data"]["classes"][1] = "![x](javascript:alert(1))|`<img src=x onerror=alert(1)>"
    write_parameters(finished, parameters)
    run("dvc", "repro", root=finished)
    page = (finished / "reports" / "report.html").read_text("utf-8")
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    text = (finished / "reports" / "report.md").read_text("utf-8")
    assert "<script>" not in text
    assert "<img src=x" not in text
