"""What a killed run left behind doesn't stop the next run."""

from pathlib import Path

import pytest
from dvc.repo import Repo

from tasks.runner.errors import InputError
from workspace.heal import remove_broken_leftovers
from workspace.repository import read_lock

GRAPH = """
stages:
  train:
    cmd: python -m tasks.train
    outs: [models/candidate, reports/report.html]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A DVC repository without Git."""
    Repo.init(str(tmp_path), no_scm=True).close()
    (tmp_path / "dvc.yaml").write_text(GRAPH)
    return tmp_path


@pytest.fixture
def busy(root: Path) -> Path:
    return root / ".dvc" / "tmp" / "rwlock"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_a_broken_list_of_busy_paths_is_removed(root: Path, busy: Path, content: bytes) -> None:
    busy.write_bytes(content)
    assert remove_broken_leftovers(root) == [".dvc/tmp/rwlock"]
    assert not busy.exists()


def test_an_empty_folder_in_the_cache_of_runs_is_removed(root: Path) -> None:
    runs = root / ".dvc" / "cache" / "runs"
    (runs / "aa" / "aabb").mkdir(parents=True)
    (runs / "cc" / "ccdd").mkdir(parents=True)
    (runs / "cc" / "ccdd" / "run").touch()
    assert remove_broken_leftovers(root) == [".dvc/cache/runs/aa/aabb"]
    assert [path.name for path in runs.glob("??/*")] == ["ccdd"]


def test_what_a_stage_had_begun_to_write_is_removed_and_what_it_had_written_stays(
    root: Path,
) -> None:
    (root / "models" / ".candidate.partial").mkdir(parents=True)
    (root / "models" / ".candidate.partial" / "model.keras").touch()
    (root / "reports").mkdir()
    for name in (".report.html.partial", "report.html", "notes.partial"):
        (root / "reports" / name).touch()
    assert remove_broken_leftovers(root) == [
        "models/.candidate.partial",
        "reports/.report.html.partial",
    ]
    assert {path.name for path in (root / "reports").iterdir()} == {"report.html", "notes.partial"}


def test_a_sound_list_of_busy_paths_stays(root: Path, busy: Path) -> None:
    busy.write_text("{}")
    assert remove_broken_leftovers(root) == []
    assert busy.exists()


def test_nothing_is_missed_where_nothing_was_left(root: Path) -> None:
    assert remove_broken_leftovers(root) == []
    assert read_lock(root) == {}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"schema: '2.0'\n",
        b"stages: {\n",
        b"\xff",
        b"<<<<<<< HEAD\nstages:\n",
        b"schema: '2.0'\nstages:\n  train:\n    cmd: python\n    deps:\n    - pa",
    ],
)
def test_a_broken_dvc_lock_is_told_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "dvc.lock").write_bytes(content)
    with pytest.raises(InputError, match=r"^[^\n]+Mend it: rm dvc\.lock; dvc repro[^\n]+$"):
        read_lock(tmp_path)


def test_a_sound_dvc_lock_passes(tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\nstages: {a: {cmd: b}}\n")
    assert read_lock(tmp_path) == {"a": {"cmd": "b"}}
