"""One's own images under DVC: versioned, pushed, pulled, and there where experiments run. Real DVC.

Each test types what docs/data.md says.
"""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from tests.conftest import configure_dvc, environment, write_parameters
from tests.faults.rig import stages_run
from tests.tasks.report.conftest import real_splits

SOURCE = "data/source/mine.npz"
# Of the project's graph, what needs no training: the others read what these write.
STAGES = ["ingest", "validate", "prepare"]


def do(*command: str, root: Path) -> str:
    """Runs a command as a person would who has activated the project's Python."""
    completed = subprocess.run(
        command, cwd=root, env=environment(), capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout


@pytest.fixture
def root(workspace: Path, small_parameters: dict, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace without a source, whose parameters ask for one that isn't there yet."""
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Test")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "test@example.invalid")
    for path in (workspace / "data" / "source").iterdir():
        path.unlink()
    source = {"format": "npz", "path": SOURCE, "first_label": 0, "test_share": 0.2, "test_seed": 0}
    write_parameters(workspace, small_parameters | {"ingest": source})
    graph = YAML(typ="safe").load((workspace / "dvc.yaml").read_text("utf-8"))
    stages = {name: graph["stages"][name] for name in STAGES}
    with (workspace / "dvc.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump({"stages": stages}, file)
    do("git", "rm", "-rq", "--cached", "--ignore-unmatch", ".site", root=workspace)
    (workspace / ".git" / "info" / "exclude").write_text(".site\n")
    return workspace


def write_source(path: Path) -> None:
    arrays = {}
    for name, split in real_splits().items():
        arrays |= {f"{name}_images": split.images[..., 0], f"{name}_labels": split.labels}
    np.savez(path, **arrays)


def keep_source(root: Path, how: str) -> None:
    """Puts the source under DVC's care, runs the first stages, commits and pushes."""
    outside = root.parent / "mine.npz"
    if how == "add":
        write_source(root / SOURCE)
        do("dvc", "add", SOURCE, root=root)
    else:
        write_source(outside)
        do("dvc", "import-url", str(outside), SOURCE, root=root)
    assert stages_run(do("dvc", "repro", root=root)) == STAGES
    do("dvc", "remote", "add", "--default", "storage", str(root.parent / "storage"), root=root)
    do("git", "add", "--all", root=root)
    do("git", "commit", "-qm", "my images", root=root)
    do("dvc", "push", root=root)
    outside.unlink(missing_ok=True)


@pytest.mark.parametrize("how", ["add", "import-url"])
def test_a_fresh_clone_pulls_the_source_and_nothing_runs(root: Path, how: str) -> None:
    keep_source(root, how)
    clone = root.parent / "clone"
    do("git", "clone", "-q", str(root), str(clone), root=root.parent)
    configure_dvc(clone)
    do("dvc", "remote", "add", "--default", "storage", str(root.parent / "storage"), root=clone)
    do("dvc", "pull", root=clone)
    assert (clone / SOURCE).is_file()
    lock = (clone / "dvc.lock").read_bytes()
    assert stages_run(do("dvc", "repro", root=clone)) == []
    assert (clone / "dvc.lock").read_bytes() == lock
    changed = do("git", "status", "--porcelain", root=clone).splitlines()
    assert [line for line in changed if ".dvc/config" not in line and ".site" not in line] == []


def test_experiments_run_beside_the_workspace_and_from_the_queue(root: Path) -> None:
    keep_source(root, "add")
    lock = (root / "dvc.lock").read_bytes()
    do("dvc", "exp", "run", "--temp", "--name", "beside", "-S", "prepare.seed=1", root=root)
    do("dvc", "exp", "run", "--queue", "--name", "queued", "-S", "prepare.seed=2", root=root)
    do("dvc", "exp", "run", "--run-all", root=root)
    shown = do("dvc", "exp", "list", "--name-only", root=root).split()
    assert sorted(shown) == ["beside", "queued"]
    assert (root / "dvc.lock").read_bytes() == lock
    do("dvc", "exp", "apply", "queued", root=root)
    assert "seed: 2" in (root / "params.yaml").read_text()
    assert stages_run(do("dvc", "repro", root=root)) == []
