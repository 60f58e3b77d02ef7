"""The suite passes in a project whose parameters, lock, data and results are somebody else's.

A part of it is run in copies of the project: one with the parameters of scikit-learn's digits, as
the README shows them, and one where every value is another than ours.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import PROJECT, read_parameters, write_parameters

# What reads parameters, starts processes, or looks at the project itself; nothing that trains.
PART = (
    "tests/test_data_page.py",
    "tests/test_packages.py",
    "tests/test_readme.py",
    "tests/test_wiring.py",
    "tests/flows/test_refused.py",
    "tests/tasks/core",
    "tests/tasks/predict/test_command.py",
    "tests/tasks/prepare",
    "tests/tasks/runner",
    "tests/workspace/test_graph.py",
)
THEIRS = ("params.yaml", "dvc.lock", "data", "models", "reports")


def propose_digits(root: Path) -> None:
    """As the README has it."""
    write_parameters(root, read_parameters())
    run_python("-m", "examples.digits", "data/source/digits", root=root)
    # The project may hold a proposal of its own.
    proposal = root.with_name("proposed.yaml")
    run_python("-m", "cli", "propose", "data/source/digits", str(proposal), root=root)
    proposal.replace(root / "params.yaml")


def change_everything(root: Path) -> None:
    """Every value is another one, of the same type."""
    parameters = {
        section: {key: make_other(value) for key, value in content.items()}
        for section, content in read_parameters().items()
    }
    write_parameters(root, parameters)


def make_other(value: object) -> object:
    match value:
        case bool():
            return not value
        case int() | float():
            return value * 2 + 1
        case str():
            return f"other-{value}"
        case list():
            return [make_other(item) for item in value]
        case dict():
            return {key: make_other(item) for key, item in value.items()}
    return "other"


@pytest.mark.parametrize(
    "change_parameters", [propose_digits, change_everything], ids=["digits", "others"]
)
def test_the_suite_passes_and_leaves_everything_in_anothers_project(
    tmp_path: Path, change_parameters: Callable[[Path], None]
) -> None:
    root = copy_project(tmp_path / "project")
    change_parameters(root)
    (root / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n", "utf-8")
    for name in ("data/raw/manifest.json", "models/candidate/card.json", "reports/metrics.json"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text('{"of": "another data set"}\n', "utf-8")
    before = {name: contents_of(root / name) for name in THEIRS}
    options = ("-p", "no:cacheprovider", f"--basetemp={tmp_path / 'tests'}")
    run_python("-m", "pytest", "-q", *options, *PART, root=root)
    assert {name: contents_of(root / name) for name in THEIRS} == before


def run_python(*arguments: str, root: Path) -> None:
    completed = subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env={name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout[-10_000:]


def copy_project(root: Path) -> Path:
    """What every clone has, without what is this one's own."""
    root.mkdir()
    for path in PROJECT.iterdir():
        if path.is_dir() and not path.name.startswith(".") and path.name not in THEIRS:
            no_bytecode = shutil.ignore_patterns("__pycache__")
            shutil.copytree(path, root / path.name, ignore=no_bytecode)
        elif path.is_file() and path.name not in (".git", *THEIRS):
            shutil.copy(path, root)
    return root


def contents_of(path: Path) -> dict[str, bytes]:
    """Path → content, of a file or of all files of a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return {str(file): file.read_bytes() for file in files if file.is_file()}
