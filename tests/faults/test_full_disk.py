"""The disk is full: the workspace lies on a small one, and a large file leaves too little room."""

import os
from pathlib import Path

import pytest

from tests.conftest import configure_dvc, read_small_parameters, write_parameters
from tests.faults.enclosure import Enclosure, as_loopback, enclose
from tests.faults.rig import Reference, digest_files, require_readable_lock, require_sound_cache
from tests.faults.test_kills import CHANGES

pytestmark = pytest.mark.faults(
    "disk full in each stage",
    "clear message; last good outputs recoverable; the next run succeeds once space is freed,"
    " leftovers removed",
)

SIZE = 64 * 2**20
FULL = "No space left on device"


def small_disk(source: Path, root: Path) -> str:
    """A script that puts a copy of a workspace on a disk of its own."""
    root.mkdir()
    return f"mount -t tmpfs -o size={SIZE} tmpfs '{root}'; cp -r '{source}/.' '{root}'"


def fill(disk: Path, free: int) -> Path:
    """Writes a file that leaves so many bytes free."""
    status = os.statvfs(disk)
    ballast = disk / ".pipeline" / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, status.f_bavail * status.f_bsize - free)
    return ballast


@pytest.mark.parametrize("stage", ["prepare"])
def test_a_stage_on_a_full_disk_says_so_and_keeps_what_was_there(
    finished: Path, reference: Reference, tmp_path: Path, stage: str
) -> None:
    check_stage(finished, reference, tmp_path / "disk", stage)


@pytest.mark.long
@pytest.mark.parametrize("stage", ["ingest", "validate", "train", "evaluate", "report"])
def test_a_long_stage_on_a_full_disk_says_so_and_keeps_what_was_there(
    finished: Path, reference: Reference, tmp_path: Path, stage: str
) -> None:
    check_stage(finished, reference, tmp_path / "disk", stage)


def check_stage(finished: Path, reference: Reference, root: Path, stage: str) -> None:
    with enclose(small_disk(finished, root)) as enclosure:
        disk = enclosure.outside(root)
        ballast = fill(disk, 0)
        completed = enclosure.python(f"tasks.{stage}", root=root, check=False)
        assert completed.returncode == 1
        assert completed.stdout.splitlines()[-1].startswith(f"{stage}: ")
        assert FULL in completed.stdout.splitlines()[-1]
        assert "Traceback" not in completed.stdout
        assert digest_files(disk) == reference.files
        ballast.unlink()
        enclosure.python(f"tasks.{stage}", root=root)
        assert digest_files(disk) == reference.files


@pytest.mark.long
@pytest.mark.parametrize(
    ("stage", "free"), [*((stage, 64) for stage in CHANGES), ("prepare", 0), ("train", 0)]
)
def test_dvc_on_a_full_disk_goes_on_once_there_is_room(
    finished: Path, reference: Reference, tmp_path: Path, stage: str, free: int
) -> None:
    """With room for a little, the stage or DVC's cache meets the end of it; without, DVC itself."""
    root = tmp_path / "disk"
    with enclose(small_disk(finished, root)) as enclosure:
        disk = enclosure.outside(root)
        configure_dvc(disk, root)
        change(disk, stage)
        ballast = fill(disk, free * 1024)
        completed = enclosure.python("dvc", "repro", root=root, check=False)
        if completed.returncode:
            assert FULL in completed.stdout or "disk is full" in completed.stdout, completed.stdout
        ballast.unlink()
        recover(enclosure, disk, root)
        assert digest_files(disk) == reference.files


@pytest.mark.long
def test_the_flow_on_a_full_disk_says_so_and_goes_on_once_there_is_room(
    finished: Path, reference: Reference, tmp_path: Path
) -> None:
    root, home = tmp_path / "disk", str(tmp_path / "prefect")
    with enclose(f"{as_loopback()}; {small_disk(finished, root)}") as enclosure:
        disk = enclosure.outside(root)
        configure_dvc(disk, root)
        change(disk, "prepare")
        ballast = fill(disk, 64 * 1024)
        completed = enclosure.python("cli", "run", root=root, check=False, PREFECT_HOME=home)
        assert completed.returncode != 0
        assert FULL in completed.stdout or "disk is full" in completed.stdout, completed.stdout
        ballast.unlink()
        recover(enclosure, disk, root)
        enclosure.python("cli", "run", root=root, PREFECT_HOME=home)
        assert digest_files(disk) == reference.files


def change(root: Path, stage: str) -> None:
    section, key, values = CHANGES[stage]
    parameters = read_small_parameters()
    parameters[section][key] = values[1]
    write_parameters(root, parameters)


def recover(enclosure: Enclosure, disk: Path, root: Path) -> None:
    """What a person does: makes room, goes back to the parameters that were good, runs."""
    write_parameters(disk, read_small_parameters())
    healed = enclosure.python("cli", "heal", root=root, check=False)
    if healed.returncode:
        assert "Mend it: rm dvc.lock" in healed.stdout
        (disk / "dvc.lock").unlink()
    enclosure.python("dvc", "repro", root=root)
    require_readable_lock(disk)
    require_sound_cache(disk)
    assert not list(disk.rglob("*.partial"))
