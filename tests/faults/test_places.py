"""Workspaces that can't be written to, lack folders, have odd names, or were moved."""

import shutil
from pathlib import Path

import pytest

from tests.faults.enclosure import as_loopback, enclose
from tests.faults.rig import Reference, copy_workspace, digest_files, run, stages_run

pytestmark = pytest.mark.faults(
    "read-only workspace; missing parent folders; a path with spaces and non-ASCII letters; a clone"
    " moved elsewhere",
    "works, or one clear line",
)

ODD_NAME = "Räume mit Leerzeichen 漢字 & $HOME"


def read_only(root: Path) -> str:
    return f"mount --bind '{root}' '{root}'; mount -o remount,ro,bind '{root}'"


@pytest.mark.parametrize(
    "stage",
    ["prepare", *(pytest.param(name, marks=pytest.mark.long) for name in ("ingest", "evaluate"))],
)
def test_a_stage_in_a_read_only_workspace_is_one_clear_line(
    finished: Path, reference: Reference, stage: str
) -> None:
    with enclose(read_only(finished)) as enclosure:
        completed = enclosure.python(f"tasks.{stage}", root=finished, check=False)
    assert completed.returncode == 1
    assert completed.stdout.count("\n") == 1
    assert completed.stdout.startswith(f"{stage}: ")
    assert "Read-only file system" in completed.stdout
    assert digest_files(finished) == reference.files


@pytest.mark.parametrize(
    "door",
    [
        ("dvc", "repro"),
        ("cli", "heal"),
    ],
    ids=" ".join,
)
def test_a_run_in_a_read_only_workspace_is_one_clear_line(
    finished: Path, door: tuple[str, ...]
) -> None:
    with enclose(read_only(finished)) as enclosure:
        completed = enclosure.python(*door, root=finished, check=False)
    assert completed.returncode != 0
    assert "Traceback" not in completed.stdout
    assert "Read-only file system" in completed.stdout, completed.stdout


@pytest.mark.long
def test_the_flow_in_a_read_only_workspace_ends_with_a_clear_line(
    finished: Path, tmp_path: Path
) -> None:
    home = str(tmp_path / "home")
    with enclose(f"{as_loopback()}; {read_only(finished)}") as enclosure:
        completed = enclosure.python("cli", "run", root=finished, check=False, PREFECT_HOME=home)
    assert completed.returncode != 0
    assert "Read-only file system" in completed.stdout, completed.stdout


@pytest.mark.long
def test_missing_folders_are_made_again(finished: Path, reference: Reference) -> None:
    for name in ("data/raw", "data/prepared", "models", ".pipeline"):
        shutil.rmtree(finished / name)
    completed = run("dvc", "repro", root=finished)
    assert set(stages_run(completed.stdout)) <= {"ingest", "prepare", "report"}
    assert digest_files(finished) == reference.files


@pytest.mark.long
def test_a_whole_run_under_an_odd_name_gives_the_same_bytes(
    reference: Reference, tmp_path: Path, prefect_api: str
) -> None:
    root = copy_workspace(reference.root, tmp_path / ODD_NAME)
    assert stages_run(run("dvc", "repro", root=root).stdout) == []
    run("cli", "verify", root=root)
    run("dvc", "repro", "--force", "--no-run-cache", root=root)
    assert digest_files(root) == reference.files
    run("cli", "run", root=root, PREFECT_API_URL=prefect_api)
    assert digest_files(root) == reference.files


def test_a_clone_that_was_moved_is_still_up_to_date(
    finished: Path, reference: Reference, tmp_path: Path
) -> None:
    assert stages_run(run("dvc", "repro", root=finished).stdout) == []
    moved = finished.rename(tmp_path / "elsewhere")
    assert stages_run(run("dvc", "repro", root=moved).stdout) == []
    run("cli", "verify", root=moved)
    assert digest_files(moved) == reference.files
