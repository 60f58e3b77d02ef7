"""A second run is started while a first is at work."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tasks.runner.lock import LOCK_FOLDER, STAGE_LOCK
from tests.faults.deployment import WORKER, ask_for_run
from tests.faults.rig import (
    BUSY,
    Reference,
    digest_files,
    kill,
    make_validate_run,
    processes_in,
    run,
    start,
)

pytestmark = pytest.mark.faults(
    "two runs at once: CLI and CLI, CLI and flow, flow and CLI, CLI and deployment, deployment and"
    " CLI",
    "exactly one runs; the other ends at once, non-zero, naming the holder",
)

BY_HAND = ("dvc", "repro", "--force", "--single-item", "validate")
FLOW = (
    "cli",
    "run",
)


@contextmanager
def at_work(root: Path, door: tuple[str, ...], **variables: str) -> Iterator[None]:
    """A run in the middle of the stage validate, which lasts as long as the block and ends well."""
    with start(*door, root=root, **variables) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "python -m tasks.validate" in line:
                break
        stage = wait_for_lock(root)
        kill(stage, signal.SIGSTOP)
        yield
        kill(stage, signal.SIGCONT)
        output = "".join([*lines, process.communicate()[0]])
        assert process.returncode == 0, output


def wait_for_lock(root: Path) -> int:
    """Waits until the stage holds its lock, without touching it; gives the stage's process."""
    for _ in range(1200):
        text = (root / LOCK_FOLDER / STAGE_LOCK).read_text("utf-8")
        holder = json.loads(text) if text else {}
        if holder.get("what") == "the stage validate" and holder["process"] in processes_in(root):
            return int(holder["process"])
        time.sleep(0.05)
    raise AssertionError("The stage validate didn't take its lock.")


def require_turned_away(completed: subprocess.CompletedProcess[str]) -> None:
    """The second comer ended, and said who is at work."""
    assert completed.returncode != 0, completed.stdout
    assert BUSY.search(completed.stdout), completed.stdout


@pytest.mark.parametrize(
    "second",
    [
        ("dvc", "repro"),
        pytest.param(
            ("dvc", "repro", "--force", "--single-item", "prepare"), marks=pytest.mark.long
        ),
        pytest.param(("tasks.prepare",), marks=pytest.mark.long),
    ],
    ids=" ".join,
)
def test_the_second_by_hand_ends_and_names_the_first(
    finished: Path, reference: Reference, second: tuple[str, ...]
) -> None:
    with at_work(finished, BY_HAND):
        completed = run(*second, root=finished, check=False)
        require_turned_away(completed)
        assert re.search(r"(?i)\bpid|process \d+", completed.stdout), completed.stdout
    run("dvc", "repro", root=finished)
    assert digest_files(finished) == reference.files


@pytest.mark.long
@pytest.mark.parametrize("second", [("dvc", "repro"), FLOW], ids=" ".join)
def test_the_second_ends_and_names_the_flow(
    finished: Path, reference: Reference, prefect_api: str, second: tuple[str, ...]
) -> None:
    make_validate_run(finished)
    with at_work(finished, FLOW, PREFECT_API_URL=prefect_api):
        completed = run(*second, root=finished, check=False, PREFECT_API_URL=prefect_api)
        require_turned_away(completed)
    assert digest_files(finished) == reference.files


@pytest.mark.long
def test_the_flow_ends_and_names_the_run_by_hand(
    finished: Path, reference: Reference, prefect_api: str
) -> None:
    with at_work(finished, BY_HAND):
        completed = run(*FLOW, root=finished, check=False, PREFECT_API_URL=prefect_api)
        require_turned_away(completed)
    run("dvc", "repro", root=finished)
    assert digest_files(finished) == reference.files


@pytest.mark.long
@pytest.mark.parametrize("second", [("dvc", "repro"), FLOW], ids=" ".join)
def test_the_second_ends_and_names_the_deployment(
    finished: Path,
    reference: Reference,
    prefect_api: str,
    deploy_workspace: Callable[[Path], None],
    second: tuple[str, ...],
) -> None:
    deploy_workspace(finished)
    make_validate_run(finished)
    ask_for_run(prefect_api)
    with at_work(finished, WORKER, PREFECT_API_URL=prefect_api):
        completed = run(*second, root=finished, check=False, PREFECT_API_URL=prefect_api)
        require_turned_away(completed)
    assert digest_files(finished) == reference.files


@pytest.mark.long
def test_the_deployment_ends_and_names_the_run_by_hand(
    finished: Path,
    reference: Reference,
    prefect_api: str,
    deploy_workspace: Callable[[Path], None],
) -> None:
    deploy_workspace(finished)
    ask_for_run(prefect_api)
    with at_work(finished, BY_HAND):
        completed = run(*WORKER, root=finished, PREFECT_API_URL=prefect_api)
        assert "Finished in state Failed" in completed.stdout, completed.stdout
        assert BUSY.search(completed.stdout), completed.stdout
    assert digest_files(finished) == reference.files
