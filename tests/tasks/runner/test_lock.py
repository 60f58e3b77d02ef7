"""One writer at a time, by real locks held by real processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tasks.runner.lock import TOKEN_VARIABLE, WorkspaceBusyError, hold_run, hold_stage
from tests.conftest import PROJECT

HOLD = """
import sys
from pathlib import Path
from tasks.runner.lock import hold_{kind}
with hold_{kind}("the other one", Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_elsewhere(kind: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a lock."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD.format(kind=kind), str(folder)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("kind", ["run", "stage"])
@pytest.mark.parametrize("second", [hold_run, hold_stage])
def test_the_second_comer_is_told_who_holds_the_workspace(
    tmp_path: Path, kind: str, second
) -> None:
    with (
        held_elsewhere(kind, tmp_path) as process,
        pytest.raises(WorkspaceBusyError, match=rf"the other one \(process {process.pid}, since 2"),
        second("me", tmp_path),
    ):
        pass


@pytest.mark.parametrize("kind", ["run", "stage"])
def test_a_killed_holder_frees_the_workspace(tmp_path: Path, kind: str) -> None:
    with held_elsewhere(kind, tmp_path) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with hold_run("me", tmp_path):
            pass


def test_a_stage_of_the_run_itself_is_let_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hold_run("me", tmp_path) as token:
        monkeypatch.setenv(TOKEN_VARIABLE, token)
        with hold_stage("my stage", tmp_path):
            pass


def test_a_stage_of_an_earlier_run_is_not_let_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hold_run("me", tmp_path) as token:
        pass
    monkeypatch.setenv(TOKEN_VARIABLE, token)
    with (
        held_elsewhere("run", tmp_path),
        pytest.raises(WorkspaceBusyError),
        hold_stage("an old stage", tmp_path),
    ):
        pass


def test_a_stage_whose_run_has_ended_is_not_let_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hold_run("me", tmp_path) as token:
        pass
    monkeypatch.setenv(TOKEN_VARIABLE, token)
    with (
        pytest.raises(WorkspaceBusyError, match="has ended"),
        hold_stage("an orphan", tmp_path),
    ):
        pass


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00"])
def test_a_corrupt_lock_file_that_nobody_holds_does_not_matter(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "run.lock").write_text(content)
    (tmp_path / "stage.lock").write_text(content)
    with hold_run("me", tmp_path):
        pass
