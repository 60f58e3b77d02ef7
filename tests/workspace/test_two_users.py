"""Two real users of one group share a project and its cache, as docs/operations.md says."""

import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tests.users import needs_other_users

pytestmark = needs_other_users

GROUP, ALICE, BOB = 61000, 61001, 61002
GRAPH = """\
stages:
  collect:
    cmd: {python} collect.py
    deps: [collect.py, source]
    outs: [data/raw/SHA256SUMS, data/raw/all.txt]
"""
STAGE = """\
from pathlib import Path
from tasks.core.files import replacing
from tasks.core.seal import seal

def main():
    with replacing(Path("data/raw")) as folder:
        folder.mkdir()
        (folder / "all.txt").write_text(" ".join(p.name for p in sorted(Path("source").iterdir())))
        seal(folder)

if __name__ == "__main__":
    from tasks.runner.stage import run_stage
    run_stage("collect", "collect")
"""
VERIFY = """\
from pathlib import Path
from tasks.runner.frame import run_framed
from tasks.runner.lock import hold_run
from workspace.heal import heal
from workspace.verify import verify

def main():
    with hold_run("a test"):
        heal(Path.cwd())
    verify(Path.cwd())

run_framed(main)
"""


def run_as(
    user: int, *command: str, root: Path, umask: int = 0o002
) -> subprocess.CompletedProcess[str]:
    home = root.parent / str(user)
    return subprocess.run(
        command,
        cwd=root,
        env={
            "HOME": str(home),
            "USER": str(user),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([str(PROJECT), sysconfig.get_path("purelib")]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(root.parent / "site"),
        },
        user=user,
        group=GROUP,
        extra_groups=[],
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a home for each; pytest's own folders are closed to others."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for user in (ALICE, BOB):
            (folder / str(user)).mkdir()
            os.chown(folder / str(user), user, GROUP)
        for shared in ("project", "cache", "site"):
            (folder / shared).mkdir()
            os.chown(folder / shared, ALICE, GROUP)
            (folder / shared).chmod(0o2775)
        yield folder


@pytest.fixture
def python(folder: Path) -> str:
    """A Python with the project's packages that others may start."""
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        with suppress(OSError):
            probe = run_as(ALICE, python, "-c", "import dvc.repo", root=folder / "project")
            if probe.returncode == 0:
                return python
    pytest.skip("this Python, or the project, can't be read by other users")


def do(user: int, *command: str, root: Path) -> str:
    completed = run_as(user, *command, root=root)
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout


@pytest.fixture
def root(folder: Path, python: str) -> Path:
    """A shared project, whose cache of links lies elsewhere, as the page says."""
    root = folder / "project"
    do(ALICE, "git", "init", "-q", root=root)
    do(ALICE, "git", "config", "core.sharedRepository", "group", root=root)
    do(BOB, "git", "config", "--global", "--add", "safe.directory", str(root), root=root)
    dvc = (python, "-m", "dvc")
    do(ALICE, *dvc, "init", "-q", root=root)
    do(ALICE, *dvc, "config", "cache.shared", "group", root=root)
    do(ALICE, *dvc, "cache", "dir", "-q", str(folder / "cache"), root=root)
    do(ALICE, *dvc, "config", "cache.type", "symlink", root=root)
    (root / "source").mkdir()
    files = {"dvc.yaml": GRAPH.format(python=python), "collect.py": STAGE, ".gitignore": "/data\n"}
    for name, content in files.items():
        (root / name).write_text(content)
    for path in (root, *root.rglob("*")):
        os.chown(path, ALICE, GROUP, follow_symlinks=False)
    do(ALICE, "chmod", "-R", "g+rwXs", ".", root=root)
    return root


def test_each_goes_on_from_what_the_other_did(root: Path, python: str) -> None:
    for number, user in enumerate((ALICE, BOB, ALICE)):
        do(user, "touch", f"source/{number}.png", root=root)
        do(user, python, "-m", "dvc", "repro", root=root)
        do(user, python, "-c", VERIFY, root=root)
    assert (root / "data" / "raw" / "all.txt").read_text() == "0.png 1.png 2.png"


def test_without_the_settings_one_line_says_what_to_set(root: Path, python: str) -> None:
    run_as(ALICE, python, "-c", VERIFY, root=root, umask=0o022)
    refused = run_as(BOB, python, "-c", VERIFY, root=root)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "Permission denied: '.pipeline/run.lock'" in refused.stderr
    assert "umask 002; chmod -R g+rwXs" in refused.stderr
    do(ALICE, "chmod", "-R", "g+rwXs", ".", root=root)
    do(BOB, python, "-m", "dvc", "repro", root=root)
    do(BOB, python, "-c", VERIFY, root=root)
