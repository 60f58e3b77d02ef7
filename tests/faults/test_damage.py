"""Files lose their end or have one bit flipped, wherever the pipeline keeps bytes."""

import gzip
import hashlib
import json
import re
import stat
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from _pytest.mark import ParameterSet
from ruamel.yaml import YAML

from tests.conftest import read_small_parameters, write_parameters
from tests.faults.rig import Reference, digest_files, require_sound_cache, run, stages_run

KEYS = {name: key for key, name in read_small_parameters()["ingest"]["files"].items()}
FILE_NAMES = list(KEYS)

CHOICE = {"test_share": 0.2, "test_seed": 0}

pytestmark = pytest.mark.faults(
    "truncated or bit-flipped IDX, npz, array, split, model, predictions, object in DVC's cache or"
    " remote",
    "rejected with path, expected and found hash, and the command that mends it, or made good from"
    " the cache; never “up to date”",
)

DAMAGES = {
    "flip": lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
    "cut": lambda content: content[: len(content) // 2],
}


def long(names: Iterable[str]) -> list[ParameterSet]:
    """Cases that only `make test-faults` runs."""
    return [pytest.param(name, marks=pytest.mark.long) for name in names]


damages = pytest.mark.parametrize("damage", ["cut", *long(["flip"])])


def damage_file(path: Path, damage: str) -> None:
    """Damages a file as a disk does, without a trace in its mode."""
    mode = path.stat().st_mode
    path.chmod(mode | stat.S_IWUSR)
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    path.chmod(mode)


def outputs_of(root: Path) -> dict[str, str]:
    """Path → MD5, of every output in dvc.lock."""
    lock = YAML(typ="safe").load((root / "dvc.lock").read_text("utf-8"))
    return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}


def object_of(path: Path, store: Path) -> Path:
    """Where DVC keeps a file's content."""
    name = hashlib.md5(path.read_bytes()).hexdigest()
    return store / "files" / "md5" / name[:2] / name[2:]


def remedies(message: str) -> list[str]:
    return re.findall(r"Mend it: rm -rf (.+); dvc repro", message)


@pytest.mark.long
@damages
def test_damaged_outputs_are_made_good_by_the_next_run(
    finished: Path, reference: Reference, damage: str
) -> None:
    for output in outputs_of(finished):
        path = finished / output
        for file in [path] if path.is_file() else path.iterdir():
            damage_file(file, damage)
    completed = run("dvc", "repro", root=finished)
    # What persists is made anew, the rest is in DVC's cache.
    assert set(stages_run(completed.stdout)) <= {"ingest", "prepare", "report"}
    assert digest_files(finished) == reference.files


@damages
def test_rotten_objects_of_the_cache_are_found_and_the_command_mends_them(
    finished: Path, reference: Reference, damage: str
) -> None:
    for name in ("data/raw/test_images.npy", "reports/predictions.parquet"):
        expected = hashlib.md5((finished / name).read_bytes()).hexdigest()
        damage_file(object_of(finished / name, finished / ".dvc" / "cache"), damage)
        (finished / name).unlink()
    run("dvc", "checkout", root=finished)
    found = hashlib.md5((finished / "reports" / "predictions.parquet").read_bytes()).hexdigest()

    completed = run("cli", "verify", root=finished, check=False)
    assert completed.returncode == 1
    raw, predictions = completed.stdout.splitlines()
    assert raw.startswith("data/raw is damaged: its MD5 is ")
    assert predictions.startswith(
        f"reports/predictions.parquet is damaged: its MD5 is {found}, dvc.lock says {expected}."
    )
    for paths in remedies(completed.stdout):
        mend(finished, paths)
    run("dvc", "repro", root=finished)
    run("cli", "verify", root=finished)
    assert digest_files(finished) == reference.files
    require_sound_cache(finished)


def mend(root: Path, paths: str) -> None:
    """Does what the message says, which is `rm -rf`."""
    for name in paths.split():
        path = root / name
        if path.is_dir():
            for file in path.iterdir():
                file.unlink()
            path.rmdir()
        else:
            path.unlink()


@pytest.mark.long
@damages
def test_a_rotten_list_of_a_folder_in_the_cache_is_made_anew(
    finished: Path, reference: Reference, damage: str
) -> None:
    name = outputs_of(finished)["data/prepared"]
    damage_file(finished / ".dvc" / "cache" / "files" / "md5" / name[:2] / name[2:], damage)
    mend(finished, "data/prepared")
    # DVC restores what the list still names, and train refuses it.
    completed = run("dvc", "repro", root=finished, check=False)
    assert completed.returncode == 0 or "Mend it: rm -r data/prepared" in completed.stdout

    verified = run("cli", "verify", root=finished, check=False)
    assert verified.returncode == 1
    (paths,) = remedies(verified.stdout)
    mend(finished, f"{paths} data/prepared")
    run("dvc", "repro", "--force", "--single-item", "prepare", root=finished)
    run("dvc", "repro", root=finished)
    run("cli", "verify", root=finished)
    assert digest_files(finished) == reference.files
    require_sound_cache(finished)


@pytest.mark.long
@damages
def test_a_damaged_object_of_a_remote_is_not_taken(
    finished: Path, reference: Reference, tmp_path: Path, damage: str
) -> None:
    remote = tmp_path / "remote"
    run("dvc", "remote", "add", "--default", "store", str(remote), root=finished)
    run("dvc", "config", "remote.store.verify", "true", root=finished)
    run("dvc", "push", root=finished)
    predictions = finished / "reports" / "predictions.parquet"
    torn = object_of(predictions, remote)
    torn.chmod(0o444)
    damage_file(torn, damage)
    object_of(predictions, finished / ".dvc" / "cache").unlink()
    predictions.unlink()

    completed = run("dvc", "pull", root=finished, check=False)
    assert completed.returncode != 0
    assert "reports/predictions.parquet" in completed.stdout
    assert not predictions.exists()
    assert stages_run(run("dvc", "repro", root=finished).stdout) == ["evaluate"]
    assert digest_files(finished) == reference.files
    # DVC never replaces what a remote has.
    torn.unlink()
    run("dvc", "push", root=finished)
    assert hashlib.md5(torn.read_bytes()).digest() == hashlib.md5(predictions.read_bytes()).digest()


@damages
@pytest.mark.parametrize("array", ["train_images.npy", *long(["train_labels.npy"])])
def test_a_stage_refuses_damaged_arrays(finished: Path, damage: str, array: str) -> None:
    path = finished / "data" / "raw" / array
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    damage_file(path, damage)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    completed = run("tasks.prepare", root=finished, check=False)
    assert completed.returncode == 1
    assert completed.stdout == (
        f"prepare: data/raw/{array} is damaged: its SHA-256 is {found}, the manifest says"
        f" {expected}. Mend it: rm -r data/raw; dvc repro --force ingest\n"
    )


@damages
@pytest.mark.parametrize(
    ("stage", "file", "writer"),
    [
        ("evaluate", "models/candidate/classifier.tflite", "train"),
        pytest.param("report", "models/candidate/card.json", "train", marks=pytest.mark.long),
        pytest.param("train", "data/prepared/training.npy", "prepare", marks=pytest.mark.long),
    ],
)
def test_a_stage_refuses_a_damaged_model_or_split(
    finished: Path, damage: str, stage: str, file: str, writer: str
) -> None:
    path = finished / file
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    damage_file(path, damage)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    completed = run(f"tasks.{stage}", root=finished, check=False)
    assert completed.returncode == 1
    assert completed.stdout.endswith(
        f"{stage}: {file} is damaged: its SHA-256 is {found}, SHA256SUMS says {expected}."
        f" Mend it: rm -r {path.parent.relative_to(finished)};"
        f" dvc repro --force --single-item {writer}\n"
    )


@pytest.mark.long
@damages
def test_a_damaged_npz_file_is_refused(finished: Path, damage: str) -> None:
    """What it should hold is recorded nowhere but in itself: zip keeps a checksum per array."""
    path = finished / "data" / "source" / "images.npz"
    raw = finished / "data" / "raw"
    np.savez(path, allow_pickle=False, **{file.stem: np.load(file) for file in raw.glob("*.npy")})
    parameters = read_small_parameters()
    parameters["ingest"] = {"format": "npz", "first_label": 0} | CHOICE
    parameters["ingest"]["path"] = "data/source/images.npz"
    write_parameters(finished, parameters)
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(
        content[:middle]
        if damage == "cut"
        else content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    )
    before = digest_files(finished / "data" / "raw")
    completed = run("dvc", "repro", root=finished, check=False)
    assert completed.returncode != 0
    assert re.search(r"ingest: data/source/images\.npz can't be read: .*zip|CRC", completed.stdout)
    run("dvc", "checkout", "data/raw", root=finished)
    assert digest_files(finished / "data" / "raw") == before


@damages
@pytest.mark.parametrize("name", [FILE_NAMES[0], *long(FILE_NAMES[1:])])
def test_a_damaged_idx_file_is_refused_with_both_hashes(
    finished: Path, damage: str, name: str
) -> None:
    expected = expect_origin(finished)[KEYS[name]]
    packed = finished / "data" / "source" / f"{name}.gz"
    path = packed.with_suffix("")
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    damage_file(path, damage)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    require_no_data(
        finished,
        rf"{name} has the SHA-256 {found}; ingest\.sha256 in params\.yaml says {expected}\. Get it",
    )


@pytest.mark.long
@damages
def test_a_damaged_packed_idx_file_is_refused_by_its_checksum(finished: Path, damage: str) -> None:
    expect_origin(finished)
    damage_file(finished / "data" / "source" / f"{FILE_NAMES[0]}.gz", damage)
    require_no_data(finished, rf"{FILE_NAMES[0]} is broken gzip: .*\n")


def expect_origin(root: Path) -> dict[str, str]:
    """Asks for the very files that were ingested, in data/source alone; gives their SHA-256."""
    content = json.loads((root / "data" / "raw" / "manifest.json").read_text("utf-8"))
    parameters = read_small_parameters()
    parameters["ingest"] |= {"system_folder": "nowhere", "sha256": content["origin"]["sha256"]}
    write_parameters(root, parameters)
    return content["origin"]["sha256"]


def require_no_data(root: Path, cause: str) -> None:
    """The stage says why, and what to do, and leaves the last good data."""
    # Without apt-get, which would look on the network.
    completed = run("tasks.ingest", root=root, check=False, PATH="")
    assert completed.returncode == 1
    assert re.search(f"not from the folder data/source: {cause}", completed.stdout)
    assert "ingest: No place has the data. Put the four files" in completed.stdout
    assert (root / "data" / "raw" / "manifest.json").exists()
