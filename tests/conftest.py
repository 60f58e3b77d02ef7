"""What the tests share: their own parameters, and a small workspace with real images."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from ruamel.yaml import YAML

from tasks.core.parameters import check_section
from workspace.check import kind_of

if TYPE_CHECKING:
    from tests.faults.rig import Reference

# How long an example takes says more about the machine's load than about the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

PROJECT = Path(__file__).parent.parent
# The tests' own: what a user sets in params.yaml is none of their business.
PARAMETERS = Path(__file__).parent / "params.yaml"
FIXTURE = Path(__file__).parent / "fixtures" / "fashion_mnist"
# The user's, which differ from one clone to the next.
USERS = tuple(
    str(PROJECT / name) for name in ("params.yaml", "dvc.lock", "data", "models", "reports")
)


def pytest_configure() -> None:
    """No test opens what is the user's; for the processes it starts, see tests/test_foreign.py."""
    sys.addaudithook(refuse_the_users_files)


def refuse_the_users_files(event: str, arguments: tuple) -> None:
    """Fails where a file or a folder of the user's is opened."""
    if event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], (str, Path)):
        # os.open, which has no mode, takes names relative to a folder that the event doesn't tell.
        if event == "open" and arguments[1] is None:
            return
        path = os.path.abspath(arguments[0])  # noqa: PTH100 - called for every file
        if path.startswith(USERS):
            raise AssertionError(f"{path} is the user's; tests have their own inputs")


@pytest.fixture
def raw_parameters() -> dict:
    """The tests' own parameters as plain values."""
    return read_parameters()


@pytest.fixture
def small_parameters() -> dict:
    """params.yaml for the small data set of the fixture."""
    return read_small_parameters()


def read_parameters() -> dict:
    """The tests' own parameters as plain values."""
    return YAML(typ="safe").load(PARAMETERS.read_text("utf-8"))


def read_small_parameters() -> dict:
    """params.yaml for the small data set of the fixture."""
    raw_parameters = read_parameters()
    raw_parameters["data"] |= {"train_images": 400, "test_images": 100}
    raw_parameters["ingest"] |= {"path": "data/source", "urls": [], "sha256": None}
    raw_parameters["prepare"]["validation_share"] = 0.25
    raw_parameters["train"]["epochs"] = 1
    raw_parameters["flow"]["retry_delay"] = 0.1
    return raw_parameters


def typed(parameters: dict) -> SimpleNamespace:
    """The sections of plain values, each with its type."""
    return SimpleNamespace(
        **{
            name: check_section(name, kind_of(name), content)
            for name, content in parameters.items()
        }
    )


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def workspace(tmp_path: Path, small_parameters: dict) -> Path:
    """A real Git and DVC repository with the project's code and the small data set."""
    return make_workspace(tmp_path / "workspace", small_parameters)


def make_workspace(root: Path, parameters: dict) -> Path:
    """Makes a Git and DVC repository with the project's code and the small data set."""
    root.mkdir(parents=True)
    for name in ("tasks", "workspace", "flows"):
        shutil.copytree(PROJECT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("cli.py", "dvc.yaml", "prefect.toml", "prefect.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(PROJECT / name, root / name)
    shutil.copytree(FIXTURE, root / "data" / "source")
    (root / "reports").mkdir()
    (root / "reports" / "baseline.json").write_text("{}\n")
    write_parameters(root, parameters)
    (root / ".dvc").mkdir()
    configure_dvc(root)
    git = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.invalid"]
    subprocess.run([*git, "init", "-q"], cwd=root, check=True)
    subprocess.run([*git, "add", "-A"], cwd=root, check=True)
    subprocess.run([*git, "commit", "-qm", "workspace"], cwd=root, check=True)
    return root


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> "Reference":
    """An undisturbed run of the whole pipeline, in a workspace that no test changes.

    The workers of one test run share it: whoever needs it first makes it.
    """
    from tests.faults.rig import Reference, run_undisturbed

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    record = folder / "reference.json"
    with (folder / "reference.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not record.exists():
            root = make_workspace(folder / "reference" / "workspace", read_small_parameters())
            record.write_text(run_undisturbed(root).to_json(), "utf-8")
    return Reference.from_json(record.read_text("utf-8"))


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prefect server, so that not every flow starts its own."""
    from tests.faults.rig import serve_prefect

    with serve_prefect(tmp_path_factory.mktemp("prefect")) as address:
        yield address


def configure_dvc(folder: Path, root: Path | None = None) -> None:
    """Gives a workspace its own state database, so that it knows nothing of any other.

    Args:
        folder: the workspace.
        root: where its own processes see it, if elsewhere.

    """
    (folder / ".dvc" / "config").write_text(
        "[core]\n    analytics = false\n    check_update = false\n"
        f"    site_cache_dir = {root or folder}/.site\n",
        encoding="utf-8",
    )


@pytest.fixture
def run(workspace: Path) -> Run:
    """Runs a Python module in the workspace, as a person would, and returns what it printed."""

    def run_module(
        *arguments: str, check: bool = True, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        completed = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=workspace,
            env=environment() | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if check:
            assert completed.returncode == 0, completed.stdout + completed.stderr
        return completed

    return run_module


def environment() -> dict[str, str]:
    """The environment of a person who has activated the project's Python."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return kept | {"PATH": path, "DVC_NO_ANALYTICS": "1", "DO_NOT_TRACK": "1"}


def write_parameters(root: Path, parameters: dict) -> None:
    """Writes params.yaml."""
    with (root / "params.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(parameters, file)
