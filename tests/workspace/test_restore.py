"""What docs/operations.md says to back up is enough to go on with. Real Git, real DVC."""

import shutil
import sys
from pathlib import Path

import pytest

from tasks.models.store import CHAMPIONS, read_record
from tests.conftest import configure_dvc, read_small_parameters, write_parameters
from tests.faults.rig import Reference, copy_workspace, stages_run
from tests.workspace.test_source_in_dvc import do

LENIENT = {"min_accuracy": None, "min_recall": None, "max_calibration_error": None}


@pytest.fixture
def root(reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with a champion, whose first two rows of the page's table were backed up."""
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Test")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "test@example.invalid")
    root = copy_workspace(reference.root, tmp_path / "workspace")
    parameters = read_small_parameters()
    write_parameters(root, parameters | {"gate": parameters["gate"] | LENIENT})
    pipeline("gate", root=root)
    do("dvc", "remote", "add", "--default", "storage", str(tmp_path / "storage"), root=root)
    do("git", "add", "--all", root=root)
    do("git", "commit", "-qm", "results", root=root)
    do("dvc", "push", root=root)
    return root


@pytest.fixture
def clone(root: Path, tmp_path: Path) -> Path:
    """The workspace on a new machine, after `git clone` and `dvc pull`."""
    clone = tmp_path / "clone"
    do("git", "clone", "-q", str(root), str(clone), root=tmp_path)
    configure_dvc(clone)
    do("dvc", "remote", "add", "--default", "storage", str(tmp_path / "storage"), root=clone)
    do("dvc", "pull", root=clone)
    return clone


def pipeline(*arguments: str, root: Path) -> str:
    return do(sys.executable, "-m", "cli", *arguments, root=root)


def test_what_is_restored_is_what_was_recorded(root: Path, clone: Path) -> None:
    shutil.copytree(root / CHAMPIONS, clone / CHAMPIONS)
    shutil.copytree(root / "data" / "source", clone / "data" / "source")
    assert pipeline("verify", root=clone) == pipeline("verify", root=root)
    assert pipeline("champion", "show", root=clone) == pipeline("champion", "show", root=root)
    assert stages_run(pipeline("repro", root=clone)) == []


def test_code_and_cache_are_enough_and_the_next_candidate_that_passes_is_the_champion(
    root: Path, clone: Path
) -> None:
    assert stages_run(pipeline("repro", root=clone)) == []
    pipeline("gate", root=clone)
    assert read_record(clone / CHAMPIONS).current == read_record(root / CHAMPIONS).current


def test_what_a_commit_names_is_kept_when_the_cache_is_tidied_up(root: Path) -> None:
    model = root / "models" / "candidate" / "classifier.tflite"
    before = model.read_bytes()
    parameters = read_small_parameters()
    parameters["train"]["seed"] += 1
    write_parameters(root, parameters)
    pipeline("repro", root=root)
    do("git", "commit", "-qam", "another seed", root=root)
    assert model.read_bytes() != before
    do("dvc", "gc", "--workspace", "--all-commits", "--force", root=root)
    do("git", "checkout", "-q", "HEAD~1", root=root)
    do("dvc", "checkout", root=root)
    assert model.read_bytes() == before
