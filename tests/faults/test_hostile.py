"""Files that were made to do harm, under hashes that fit, so that only the readers stand guard."""

import gzip
import hashlib
import io
import json
import os
import re
import resource
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tasks.core.seal import seal
from tests.conftest import environment, read_small_parameters, write_parameters
from tests.faults.rig import Reference, digest_files, run

CHOICE = {"test_share": 0.2, "test_seed": 0}

pytestmark = pytest.mark.faults(
    "hostile input: forged npy header asking for 90 GiB, pickled arrays, zip bomb (gzip and npz),"
    " IDX header asking for 2⁹⁶ bytes, a Keras file with a Lambda layer, class named `<script>`,"
    " path traversal in an npz file and in a Debian package, YAML with Python tags",
    "refused with a clear error, bounded memory, nothing obeyed",
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


OWN = "__import__('pathlib').Path('owned').touch()"
FORGED = {
    "90 GiB": npy("{'descr': '|u1', 'fortran_order': False, 'shape': (96636764160,), }", bytes(99)),
    "code": npy(OWN, b""),
    "negative": npy("{'descr': '|u1', 'fortran_order': False, 'shape': (-1,), }", bytes(99)),
    "floats": npy(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 28, 28, 1), }", bytes(12544)
    ),
    "cut": b"\x93NUMPY",
    "empty": b"",
}


@pytest.mark.parametrize(
    "name", ["90 GiB", "code", *(pytest.param(n, marks=pytest.mark.long) for n in [*FORGED][2:])]
)
def test_a_forged_array_is_refused(finished: Path, name: str) -> None:
    forge(finished, "train_images.npy", FORGED[name])
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


def save_npz(root: Path, changes: dict[str, bytes]) -> None:
    """Ingests an npz file of the ingested images, but for some entries."""
    path = root / "images.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in {f"{part}.npy" for part in PARTS} | changes.keys():
            content = changes.get(name) or (root / "data" / "raw" / name).read_bytes()
            with archive.open(name, "w", force_zip64=True) as file:
                file.write(content)
                if content is BOMB:
                    for _ in range(64):
                        file.write(bytes(2**26))
    parameters = read_small_parameters()
    parameters["ingest"] = {"format": "npz", "path": path.name, "first_label": 0} | CHOICE
    write_parameters(root, parameters)


PARTS = ("train_images", "train_labels", "test_images", "test_labels")
BOMB = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296,), }", b"")
GREEDY = npy("{'descr': '<i8', 'fortran_order': False, 'shape': (12079595520,), }", bytes(99))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("train_labels.npy", BOMB, marks=pytest.mark.long, id="bomb"),
        pytest.param("train_labels.npy", GREEDY, id="90 GiB"),
        pytest.param("train_images.npy", GREEDY, marks=pytest.mark.long, id="90 GiB of images"),
        pytest.param("../../owned.npy", GREEDY, marks=pytest.mark.long, id="path traversal"),
    ],
)
def test_a_forged_npz_file_is_refused(finished: Path, name: str, content: bytes) -> None:
    save_npz(finished, {name: content})
    last = require_clear(run_bounded("tasks.ingest", root=finished), "ingest")
    assert "images.npz" in last
    assert not list(finished.parent.rglob("owned*"))


@pytest.mark.long
def test_a_pickled_npz_file_is_refused_and_not_unpickled(finished: Path, tmp_path: Path) -> None:
    path = tmp_path / "objects.npy"
    np.save(path, np.array([Harmful()], dtype=object), allow_pickle=True)
    save_npz(finished, {"train_labels.npy": path.read_bytes()})
    last = require_clear(run_bounded("tasks.ingest", root=finished), "ingest")
    assert "train_labels holds objects" in last
    assert not (finished / "owned").exists()


@pytest.mark.long
def test_a_debian_package_that_leads_out_of_its_folder_writes_nothing(finished: Path) -> None:
    """A mirror and its keys could be in the wrong hands; APT checks the rest."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("no dpkg-deb here")
    programs, temporary = finished / "bin", finished / "outer" / "inner"
    programs.mkdir()
    temporary.mkdir(parents=True)
    (finished / "hostile.deb").write_bytes(hostile_package())
    apt = programs / "apt-get"
    apt.write_text(f"#!/bin/sh\ncp '{finished}/hostile.deb' .\n")
    apt.chmod(0o755)
    parameters = read_small_parameters()
    parameters["ingest"] |= {"path": "data/nothing", "debian_package": "hostile"}
    parameters["ingest"]["system_folder"] = "/usr/share/datasets/hostile"
    write_parameters(finished, parameters)
    completed = run_bounded(
        "tasks.ingest",
        root=finished,
        PATH=f"{programs}:{os.environ['PATH']}",
        TMPDIR=str(temporary),
    )
    assert completed.returncode != 0
    assert "Traceback" not in completed.stdout
    assert "not from Debian's package hostile: " in completed.stdout
    assert not list(finished.rglob("owned*"))


def hostile_package() -> bytes:
    """A .deb whose files lie two folders further up, and behind a link that leads there."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        link = tarfile.TarInfo("./usr")
        link.type, link.linkname = tarfile.SYMTYPE, "../.."
        archive.addfile(link)
        for name in ("./usr/owned", "../../owned", "./../../owned_too"):
            entry = tarfile.TarInfo(name)
            entry.size = 5
            archive.addfile(entry, io.BytesIO(b"owned"))
    control = io.BytesIO()
    with tarfile.open(fileobj=control, mode="w") as archive:
        text = b"Package: hostile\nVersion: 1\nArchitecture: all\nMaintainer: x\nDescription: x\n"
        entry = tarfile.TarInfo("./control")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    members = {
        "debian-binary": b"2.0\n",
        "control.tar": control.getvalue(),
        "data.tar": data.getvalue(),
    }
    return b"!<arch>\n" + b"".join(
        f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
        + content
        + b"\n" * (len(content) % 2)
        for name, content in members.items()
    )


@pytest.mark.long
def test_a_keras_file_with_a_lambda_layer_is_never_loaded(
    finished: Path, reference: Reference
) -> None:
    """What computes is the exported model; no stage and no command opens a Keras file."""
    write_lambda_model(finished / "models" / "candidate" / "model.keras")
    seal(finished / "models" / "candidate")
    run("tasks.evaluate", root=finished)
    metrics = digest_files(finished / "reports")["metrics.json"]
    assert metrics == reference.files["reports/metrics.json"]

    folder = finished / "hostile"
    folder.mkdir()
    shutil.copy(finished / "models" / "candidate" / "model.keras", folder / "classifier.tflite")
    shutil.copy(finished / "models" / "candidate" / "card.json", folder)
    seal(folder)
    images = "data/raw/test_images.npy"
    command = ("tasks.predict", images, "--output", "table.csv", "--model", folder.name)
    completed = run_bounded(*command, root=finished)
    assert completed.returncode == 1
    assert completed.stdout.startswith("This isn't an exported model")
    assert completed.stdout.count("\n") == 1
    assert not list(finished.rglob("owned"))


def write_lambda_model(path: Path) -> None:
    """A Keras file whose layer makes a file as soon as it is built."""
    source = (
        "import sys, keras; keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Lambda("
        "lambda x: (__import__('pathlib').Path('owned').touch(), x)[1])]).save(sys.argv[1])"
    )
    command = [sys.executable, "-c", source, str(path)]
    subprocess.run(command, cwd=path.parents[3], env=environment(), check=True, capture_output=True)


def test_an_idx_header_that_asks_for_more_than_there_is_is_refused(finished: Path) -> None:
    side = 2**32 - 1
    source(finished, gzip.compress(struct.pack(">4B3I", 0, 0, 8, 3, side, side, side)))
    completed = run_bounded("tasks.ingest", root=finished, PATH="")
    assert "its header says" in require_clear(completed, "ingest")


def test_yaml_with_python_tags_is_refused_and_not_obeyed(finished: Path) -> None:
    (finished / "params.yaml").write_text("data: !!python/object/apply:os.system ['touch owned']\n")
    completed = run("cli", "check", root=finished, check=False)
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
