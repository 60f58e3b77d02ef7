"""A run ends before its report is written, and the report of an earlier run lies there."""

import signal
from pathlib import Path

import pytest

from tests.conftest import read_small_parameters, write_parameters
from tests.faults.rig import Reference, digest_files, kill, processes_in, run, start
from tests.flows.service import await_true

pytestmark = pytest.mark.faults(
    "a failed run with an old report present: a stage that fails, under `dvc repro` and the flow; a"
    " stage that is killed",
    "the old report is visibly stale: the page itself says so, after a kill once `pipeline status`"
    " or the next run has looked; the mark goes once it no longer holds",
)


def read_page(root: Path) -> str:
    return (root / "reports" / "report.html").read_text("utf-8")


def change_seed(root: Path) -> None:
    """The next run splits and trains anew."""
    parameters = read_small_parameters()
    parameters["prepare"]["seed"] = 1
    write_parameters(root, parameters)


def refuse_data(root: Path) -> None:
    """No image is as varied as the next run expects."""
    parameters = read_small_parameters()
    parameters["validate"]["min_spread"] = 200.0
    write_parameters(root, parameters)


def find_processes(root: Path, command: str) -> list[int]:
    return [pid for pid, found in processes_in(root).items() if command in found]


@pytest.mark.long
@pytest.mark.parametrize(
    "door",
    [
        ("dvc", "repro"),
        (
            "cli",
            "run",
        ),
    ],
    ids=" ".join,
)
def test_a_failure_marks_the_page_until_a_run_succeeds(
    finished: Path, reference: Reference, prefect_api: str, door: tuple[str, ...]
) -> None:
    refuse_data(finished)
    completed = run(*door, root=finished, check=False, PREFECT_API_URL=prefect_api)
    assert completed.returncode != 0
    assert "Out of date." in read_page(finished)
    assert "the stage validate has failed" in read_page(finished)
    write_parameters(finished, read_small_parameters())
    run("dvc", "repro", root=finished)
    assert digest_files(finished) == reference.files


@pytest.mark.long
def test_a_kill_marks_the_page_as_soon_as_somebody_looks(
    finished: Path, reference: Reference
) -> None:
    change_seed(finished)
    with start("dvc", "repro", root=finished) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "python -m tasks.train" in line:
                break
        # DVC names the stage before it starts it.
        await_true(lambda: find_processes(finished, "-m tasks.train") != [], "the start of train")
        for pid in find_processes(finished, "-m tasks.train"):
            kill(pid, signal.SIGKILL)
        process.communicate()
    assert process.returncode != 0
    status = run("cli", "status", root=finished, check=False)
    assert status.returncode == 1
    assert "Out of date." in read_page(finished)
    assert "parameter prepare.seed" in status.stdout or "data/prepared" in status.stdout
    write_parameters(finished, read_small_parameters())
    run("dvc", "repro", root=finished)
    assert digest_files(finished) == reference.files
