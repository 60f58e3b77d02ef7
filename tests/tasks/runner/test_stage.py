"""A stage ends with a clear line and the right status, and never outlives DVC."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.runner.frame import EXIT_TRY_AGAIN
from tasks.runner.stage import STALE_SLOT, mark_report_stale
from tests.conftest import PROJECT

PROGRAM = """
import errno, os, sys, time
from tasks.runner.errors import InputError, NetworkError
from tasks.runner.stage import run_stage
def main():
    {body}
run_stage("example", "__main__")
"""


def run_body(folder: Path, body: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body=body)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_stage_that_succeeds_ends_with_0(tmp_path: Path) -> None:
    assert run_body(tmp_path, "pass").returncode == 0


def test_bad_input_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    completed = run_body(tmp_path, "raise InputError('received a, expected b')")
    assert (completed.returncode, completed.stderr) == (1, "example: received a, expected b\n")


def test_the_network_gets_a_status_of_its_own(tmp_path: Path) -> None:
    completed = run_body(tmp_path, "raise NetworkError('no answer')")
    assert (completed.returncode, completed.stderr) == (EXIT_TRY_AGAIN, "example: no answer\n")


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    completed = run_body(tmp_path, "raise OSError(errno.ENOSPC, 'No space left on device')")
    assert completed.returncode == 1
    assert completed.stderr.count("\n") == 1
    assert "No space left on device" in completed.stderr


def test_a_bug_keeps_its_traceback(tmp_path: Path) -> None:
    completed = run_body(tmp_path, "raise KeyError('bug')")
    assert completed.returncode == 1
    assert "Traceback" in completed.stderr


def test_a_failing_stage_marks_the_report_as_out_of_date(tmp_path: Path) -> None:
    report = tmp_path / "reports" / "report.html"
    report.parent.mkdir()
    report.write_text(f"<body>{STALE_SLOT}</body>")
    run_body(tmp_path, "raise InputError('bad')")
    assert "the stage example has failed" in report.read_text()


def test_marking_twice_keeps_the_first_reason(tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    report.write_text(f"<body>{STALE_SLOT}</body>")
    mark_report_stale(report, "first")
    mark_report_stale(report, "second")
    assert "first" in report.read_text()
    assert "second" not in report.read_text()


def test_no_report_is_made_to_mark_it(tmp_path: Path) -> None:
    mark_report_stale(tmp_path / "report.html", "reason")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_stage_ends_when_the_process_that_started_it_is_killed(
    tmp_path: Path, number: signal.Signals
) -> None:
    stage = PROGRAM.format(body="print(os.getpid(), flush=True); time.sleep(600)")
    parent = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    with subprocess.Popen(
        [sys.executable, "-c", parent, stage],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.send_signal(number)
        process.wait()
        # The pipe closes only when the stage, too, has ended.
        process.stdout.read()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}/stat").exists() and time.monotonic() < deadline:
        if Path(f"/proc/{child}/stat").read_text().split()[2] == "Z":
            break
    else:
        assert not Path(f"/proc/{child}").exists()


def test_a_stage_whose_dvc_was_killed_during_its_imports_does_not_start(tmp_path: Path) -> None:
    """The parent is gone before the stage asks to end with it."""
    stage = "import time; time.sleep(0.5)" + PROGRAM.format(body="print('it ran', flush=True)")
    parent = "import os, subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]])"
    completed = subprocess.run(
        [sys.executable, "-c", parent, stage],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(PROJECT), "DVC_STAGE": "example"},
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    assert (completed.stdout, completed.stderr) == (
        "",
        "The process that started this stage has ended.\n",
    )
