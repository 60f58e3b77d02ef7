"""Outputs without the bytes that dvc.lock records are named, with the command that mends."""

from pathlib import Path

import pytest
from dvc.repo import Repo

from tasks.runner.errors import InputError
from workspace.verify import verify

GRAPH = """\
stages:
  make:
    cmd: mkdir -p folder/sub && echo a > folder/sub/ä && echo b > folder/b && echo c > file
    outs: [folder, file]
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository in which DVC itself has recorded a file and a folder."""
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    root = tmp_path / "root"
    root.mkdir()
    monkeypatch.chdir(root)
    (root / "dvc.yaml").write_text(GRAPH)
    Repo.init(str(root), no_scm=True).close()
    with Repo(str(root)) as repository:
        repository.reproduce()  # pyright: ignore[reportCallIssue] - a decorator hides `self`
    return root


def cached(root: Path, name: str) -> Path:
    return root / ".dvc" / "cache" / "files" / "md5" / name[:2] / name[2:]


def test_what_dvc_recorded_passes(root: Path) -> None:
    verify(root)


def test_an_output_that_is_not_there_is_dvc_s_to_restore(root: Path) -> None:
    (root / "file").unlink()
    verify(root)


@pytest.mark.parametrize("name", ["file", "folder/sub/ä", "folder/b"])
def test_changed_bytes_are_named_with_the_remedy(root: Path, name: str) -> None:
    (root / name).write_text("d")
    output = name.partition("/")[0]
    with pytest.raises(InputError, match=rf"^{output} is damaged: .* rm -rf {output}; dvc repro$"):
        verify(root)


def test_a_file_too_many_is_a_change(root: Path) -> None:
    (root / "folder" / "new").touch()
    with pytest.raises(InputError, match=r"^folder is damaged"):
        verify(root)


def test_the_remedy_names_the_object_of_the_cache_that_is_torn_too(root: Path) -> None:
    # The MD5 of "b\n".
    torn = cached(root, "3b5d5c3712955042212316173ccf37be")
    torn.chmod(0o644)
    torn.write_text("d")
    (root / "folder" / "b").write_text("d")
    with pytest.raises(InputError, match=rf"rm -rf folder {torn.relative_to(root)}; dvc repro"):
        verify(root)


def test_a_torn_list_of_a_folder_is_named_with_the_remedy(root: Path) -> None:
    (path,) = (root / ".dvc" / "cache" / "files" / "md5").glob("??/*.dir")
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(InputError, match=rf"Mend it: rm -rf {path.relative_to(root)}; dvc repro"):
        verify(root)


@pytest.mark.parametrize("content", [None, "", "[]", "stages: {", "schema: '2.0'", "\x00"])
def test_a_lock_that_can_not_be_read_or_is_missing_is_one_line(
    root: Path, content: str | None
) -> None:
    (root / "dvc.lock").unlink()
    if content is not None:
        (root / "dvc.lock").write_text(content)
    with pytest.raises(InputError, match=r"^dvc\.lock (can't be read: |records nothing)[^\n]*$"):
        verify(root)
