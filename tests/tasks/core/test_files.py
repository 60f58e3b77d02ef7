"""Outputs are written whole or not at all."""

import json
from pathlib import Path

import pytest

from tasks.core.files import replacing, sha256_of, write_json, write_text
from tasks.runner.errors import InputError


def test_a_failed_write_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_replaces_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    for content in ("old", "new"):
        with replacing(path) as temporary:
            temporary.mkdir()
            (temporary / content).write_text(content)
    assert [file.name for file in path.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_never_takes_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="is a folder; expected a file"):
        write_text(tmp_path / "folder", "text")
    assert [path.is_dir() for path in tmp_path.iterdir()] == [True]


def test_a_link_to_a_file_is_replaced_and_its_target_kept(tmp_path: Path) -> None:
    """It may lead into DVC's cache, whose objects nobody may change."""
    (tmp_path / "cached").write_text("old")
    (tmp_path / "file").symlink_to("cached")
    write_text(tmp_path / "file", "new")
    assert (tmp_path / "cached").read_text() == "old"
    assert (tmp_path / "file").read_text() == "new"


def test_what_a_killed_process_left_behind_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    (tmp_path / ".folder.partial").mkdir()
    (tmp_path / ".folder.partial" / "torn").write_text("torn")
    with replacing(path) as temporary:
        temporary.mkdir()
    assert list(path.iterdir()) == []


def test_missing_folders_are_made(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b", "text")
    assert (tmp_path / "a" / "b").read_text() == "text"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_is_strict(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "file", {"value": value})
    assert list(tmp_path.iterdir()) == []


def test_json_keeps_order_and_letters(tmp_path: Path) -> None:
    content = {"z": "Größe", "a": [1, 2.5, None]}
    write_json(tmp_path / "file", content)
    assert json.loads((tmp_path / "file").read_text("utf-8")) == content
    assert "Größe" in (tmp_path / "file").read_text("utf-8")


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert sha256_of(tmp_path / "file").startswith("ba7816bf8f01cfea414140de5dae2223")
