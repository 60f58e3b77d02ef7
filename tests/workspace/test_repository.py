"""DVC where people have it: a shared cache of links, below Git's top, a worktree, without Git."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks.evaluate.metrics import Judged, measure
from tasks.runner.errors import InputError
from tests.conftest import PROJECT, environment
from tests.faults.enclosure import enclose
from workspace.baseline import read_baseline
from workspace.heal import remove_broken_leftovers
from workspace.repository import find_objects, open_dvc
from workspace.results import commit_results
from workspace.verify import verify

GRAPH = """\
stages:
  make:
    cmd: cp -r prepared/. .
    deps: [prepared]
    outs:
      - folder
      - reports/predictions.parquet
      - reports/evaluation.json:
          cache: false
"""


def do(*command: str, root: Path) -> str:
    """Runs a command as a person would who has activated the project's Python."""
    return subprocess.run(
        command, cwd=root, env=environment(), check=True, capture_output=True, text=True
    ).stdout


def begin(root: Path) -> None:
    """Makes a project whose only stage copies a folder and two files."""
    prepared = root / "prepared"
    (prepared / "folder").mkdir(parents=True)
    (prepared / "reports").mkdir()
    (prepared / "folder" / "a").write_text("a\n")
    metrics = measure(
        np.array([0, 1]),
        np.array([[0.9, 0.1], [0.2, 0.8]], np.float32),
        classes=("cat", "dog"),
        confidence=0.95,
        num_bins=10,
        sha256=Judged(version="v", model="m", test_images="i", test_labels="l"),
    )
    (prepared / "reports" / "evaluation.json").write_text(metrics.model_dump_json())
    table = pd.DataFrame({"predicted": [0, 1]})
    table.to_parquet(prepared / "reports" / "predictions.parquet")
    (root / "reports").mkdir()
    (root / "dvc.yaml").write_text(GRAPH)


def commit(root: Path) -> None:
    do("git", "add", "--all", root=root)
    do("git", "commit", "-qm", "result", root=root)


@pytest.fixture(autouse=True)
def _identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Test")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "test@example.invalid")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project below the top folder of its Git repository, that has run and is committed."""
    top = tmp_path / "git"
    root = top / "below" / "project"
    root.mkdir(parents=True)
    do("git", "init", "-q", root=top)
    do("dvc", "init", "--subdir", "-q", root=root)
    begin(root)
    do("dvc", "repro", "-q", root=root)
    commit(root)
    return root


def test_a_project_below_gits_top_is_verified_healed_published_and_compared(root: Path) -> None:
    verify(root)
    assert remove_broken_leftovers(root) == []
    baseline = read_baseline("HEAD", root)
    assert baseline.origin.startswith("commit ")
    commit_results("results", root)
    names = do("git", "ls-tree", "-r", "--name-only", "--full-tree", "results", root=root).split()
    assert {"below/project/dvc.lock", "below/project/reports/evaluation.json"} <= set(names)


def test_a_git_worktree_is_a_workspace_of_its_own(root: Path, tmp_path: Path) -> None:
    do("git", "worktree", "add", "-q", str(tmp_path / "other"), root=root)
    other = tmp_path / "other" / "below" / "project"
    do("dvc", "repro", "-q", root=other)
    verify(other)
    assert find_objects(other).is_relative_to(other)
    (other / "folder" / "a").unlink()
    (other / "folder" / "a").write_text("changed\n")
    with pytest.raises(InputError, match=r"^folder is damaged"):
        verify(other)
    verify(root)


@pytest.mark.parametrize("kind", ["symlink", "hardlink"])
def test_in_a_shared_cache_of_links_what_is_damaged_is_found_and_the_remedy_mends(
    root: Path, tmp_path: Path, kind: str
) -> None:
    shared = tmp_path / "shared"
    do("dvc", "cache", "dir", str(shared), root=root)
    do("dvc", "config", "cache.type", kind, root=root)
    do("dvc", "repro", "--force", "-q", root=root)
    verify(root)
    damaged = (root / "folder" / "a").resolve()
    damaged.chmod(0o644)
    damaged.write_text("rot\n")
    with pytest.raises(InputError) as caught:
        verify(root)
    (line,) = str(caught.value).splitlines()
    assert line.startswith("folder is damaged")
    assert f" {shared}/files/md5/" in line
    do("sh", "-c", line.partition("Mend it: ")[2], root=root)
    verify(root)
    assert (root / "folder" / "a").read_text() == "a\n"


def test_leftovers_of_a_shared_cache_are_removed_where_it_lies(root: Path, tmp_path: Path) -> None:
    do("dvc", "cache", "dir", str(tmp_path / "shared"), root=root)
    empty = tmp_path / "shared" / "runs" / "aa" / "aabb"
    empty.mkdir(parents=True)
    assert remove_broken_leftovers(root) == [str(empty)]


def test_where_var_tmp_can_not_be_written_dvcs_databases_go_into_the_workspace(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DVC_SITE_CACHE_DIR")
    with enclose("mount -t tmpfs -o ro tmpfs /var/tmp") as enclosure:
        enclosure.python("cli", "heal", root=root, PYTHONPATH=str(PROJECT))
    assert (root / ".pipeline" / "site").is_dir()


def test_a_folder_without_git_is_told_what_to_set_and_works_then(tmp_path: Path) -> None:
    """As a download of the project as a ZIP file is."""
    root = tmp_path / "project"
    root.mkdir()
    do("dvc", "init", "--no-scm", "-q", root=root)
    (root / ".dvc" / "config").write_text("")
    with pytest.raises(InputError, match="lies in no Git repository") as caught, open_dvc(root):
        pass
    remedy = str(caught.value).partition("do without: ")[2]
    do(*remedy.split(), root=root)
    with open_dvc(root) as repository:
        assert repository.root_dir == str(root)


def test_a_baseline_needs_a_commit_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lies in no Git repository, and a baseline is a commit"):
        read_baseline("HEAD", tmp_path)


def test_a_folder_without_dvc_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no DVC repository"), open_dvc(tmp_path):
        pass


def test_a_result_that_no_cache_holds_is_told_with_a_remedy_that_is_there(root: Path) -> None:
    for path in find_objects(root).glob("??/*"):
        path.unlink()
    with pytest.raises(InputError, match=r"There is no remote\. Make them anew"):
        read_baseline("HEAD", root)


def test_the_python_of_the_tests_is_the_one_that_runs(root: Path) -> None:
    """What the other tests rely on."""
    assert do("python", "-c", "import sys; print(sys.prefix)", root=root).strip() == sys.prefix
