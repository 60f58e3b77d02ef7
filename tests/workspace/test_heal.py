"""What a killed run left behind doesn't stop the next run."""

from pathlib import Path

import pytest

from tasks.runner.errors import InputError
from workspace.heal import remove_broken_leftovers, require_readable_lock


@pytest.fixture
def busy(tmp_path: Path) -> Path:
    path = tmp_path / ".dvc" / "tmp" / "rwlock"
    path.parent.mkdir(parents=True)
    return path


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_a_broken_list_of_busy_paths_is_removed(tmp_path: Path, busy: Path, content: bytes) -> None:
    busy.write_bytes(content)
    assert remove_broken_leftovers(tmp_path) == [busy.relative_to(tmp_path)]
    assert not busy.exists()


def test_an_empty_folder_in_the_cache_of_runs_is_removed(tmp_path: Path) -> None:
    runs = tmp_path / ".dvc" / "cache" / "runs"
    (runs / "aa" / "aabb").mkdir(parents=True)
    (runs / "cc" / "ccdd").mkdir(parents=True)
    (runs / "cc" / "ccdd" / "run").touch()
    assert remove_broken_leftovers(tmp_path) == [Path(".dvc/cache/runs/aa/aabb")]
    assert [path.name for path in runs.glob("??/*")] == ["ccdd"]


def test_what_a_stage_had_begun_to_write_is_removed_and_what_it_had_written_stays(
    tmp_path: Path,
) -> None:
    (tmp_path / "models" / ".candidate.partial").mkdir(parents=True)
    (tmp_path / "models" / ".candidate.partial" / "model.keras").touch()
    (tmp_path / "reports").mkdir()
    for name in (".report.html.partial", "report.html", "notes.partial"):
        (tmp_path / "reports" / name).touch()
    assert remove_broken_leftovers(tmp_path) == [
        Path("models/.candidate.partial"),
        Path("reports/.report.html.partial"),
    ]
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {
        "report.html",
        "notes.partial",
    }


def test_a_sound_list_of_busy_paths_stays(tmp_path: Path, busy: Path) -> None:
    busy.write_text("{}")
    assert remove_broken_leftovers(tmp_path) == []
    assert busy.exists()


def test_nothing_is_missed_where_nothing_was_left(tmp_path: Path) -> None:
    assert remove_broken_leftovers(tmp_path) == []
    require_readable_lock(tmp_path)


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
        require_readable_lock(tmp_path)


def test_a_sound_dvc_lock_passes(tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    require_readable_lock(tmp_path)
