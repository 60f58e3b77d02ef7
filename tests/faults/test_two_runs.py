"""A second run is started while a first is at work."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tasks.lock import LOCK_FOLDER, STAGE_LOCK
from tests.faults.rig import BUSY, Reference, digest_files, processes_in, run, start

pytestmark = pytest.mark.faults(
    "two runs at once: CLI and CLI, CLI and flow, flow and CLI",
    "exactly one runs; the other ends at once, non-zero, naming the holder",
)

# The first run does a stage that takes seconds; the flow does all of it.
BY_HAND = ("dvc", "repro", "--force", "--single-item", "validate")
FLOW = ("flows.pipeline",)


@contextmanager
def at_work(root: Path, door: tuple[str, ...], **variables: str) -> Iterator[None]:
    """A run that is in the middle of the stage validate; it ends well with the block."""
    with start(*door, root=root, **variables) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "python -m tasks.validate" in line:
                break
        wait_for_lock(root)
        yield
        output = "".join([*lines, process.communicate()[0]])
        assert process.returncode == 0, output


def wait_for_lock(root: Path) -> None:
    """Waits until the stage holds its lock, without touching the lock."""
    for _ in range(1200):
        text = (root / LOCK_FOLDER / STAGE_LOCK).read_text("utf-8")
        holder = json.loads(text) if text else {}
        if holder.get("what") == "the stage validate" and holder["process"] in processes_in(root):
            return
        time.sleep(0.05)
    raise AssertionError("The stage validate didn't take its lock.")


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
        assert completed.returncode != 0, completed.stdout
        assert BUSY.search(completed.stdout), completed.stdout
        assert re.search(r"(?i)\bpid|process \d+", completed.stdout), completed.stdout
    run("dvc", "repro", root=finished)
    assert digest_files(finished) == reference.files


@pytest.mark.long
@pytest.mark.parametrize("second", [("dvc", "repro"), FLOW], ids=" ".join)
def test_the_second_ends_and_names_the_flow(
    finished: Path, reference: Reference, prefect_api: str, second: tuple[str, ...]
) -> None:
    (finished / "dvc.lock").unlink()
    (finished / "reports" / "validation.json").unlink()
    shutil.rmtree(finished / ".dvc" / "cache" / "runs")
    with at_work(finished, FLOW, PREFECT_API_URL=prefect_api):
        completed = run(*second, root=finished, check=False, PREFECT_API_URL=prefect_api)
        assert completed.returncode != 0, completed.stdout
        assert BUSY.search(completed.stdout), completed.stdout
    assert digest_files(finished) == reference.files


@pytest.mark.long
def test_the_flow_ends_and_names_the_run_by_hand(
    finished: Path, reference: Reference, prefect_api: str
) -> None:
    with at_work(finished, BY_HAND):
        completed = run(*FLOW, root=finished, check=False, PREFECT_API_URL=prefect_api)
        assert completed.returncode != 0, completed.stdout
        assert BUSY.search(completed.stdout), completed.stdout
    run("dvc", "repro", root=finished)
    assert digest_files(finished) == reference.files
