"""What goes wrong every day is one line and a status: real processes, real pipes, real signals."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tests.users import needs_other_users

PROGRAM = """
import getpass, os, sys, tempfile, time
from pathlib import Path
from tasks.runner.frame import run_framed
def main():
    {body}
run_framed(main)
"""


def run_main(
    folder: Path, body: str, **variables: str | None
) -> subprocess.CompletedProcess[bytes]:
    """Runs a command in a folder; a variable that is None is taken from its environment."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), **variables}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body=body)],
        cwd=folder,
        env={name: value for name, value in environment.items() if value is not None},
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("Path('nowhere/table.csv').write_text('x')", "No such file or directory"),
        ("Path('.').write_text('x')", "Is a directory"),
        ("Path('/proc/self/nothing').mkdir()", "No such file or directory"),
        ("Path('/dev/full').write_text('x')", "No space left on device"),
        ("raise MemoryError", "The memory is full."),
    ],
)
def test_an_everyday_error_of_the_system_is_one_line(tmp_path: Path, body: str, told: str) -> None:
    completed = run_main(tmp_path, body)
    assert completed.returncode == 1
    assert completed.stderr.count(b"\n") == 1
    assert told in completed.stderr.decode()


def test_an_error_of_the_code_keeps_its_traceback(tmp_path: Path) -> None:
    completed = run_main(tmp_path, "raise KeyError('bug')")
    assert completed.returncode == 1
    assert b"Traceback" in completed.stderr


def test_a_full_disk_under_what_is_printed_is_one_line(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        completed = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(body="print('x')")],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(PROJECT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert completed.returncode == 1
    assert completed.stderr.count("\n") == 1
    assert "No space left on device" in completed.stderr


def test_a_reader_that_has_seen_enough_is_no_error_to_tell(tmp_path: Path) -> None:
    command = PROGRAM.format(body="print('\\n'.join(map(str, range(100_000))))")
    completed = subprocess.run(
        ["bash", "-c", f'set -o pipefail; {sys.executable} -c "$1" | head -n 1', "-", command],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (completed.returncode, completed.stdout, completed.stderr) == (1, "0\n", "")


def test_a_terminal_that_lacks_a_character_gets_its_number(tmp_path: Path) -> None:
    body = r"print('1 \u2192 2 \xe4')"  # which every locale can hand on
    completed = run_main(tmp_path, body, PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
    assert completed.returncode == 0
    assert completed.stdout == "1 \\u2192 2 ä\n".encode("latin-1")


def test_sigterm_removes_what_was_temporary(tmp_path: Path) -> None:
    body = "x = tempfile.TemporaryDirectory(dir='.'); print('ready', flush=True); time.sleep(600)"
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(body=body)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


def test_a_proxy_is_not_asked_for_local_addresses(tmp_path: Path) -> None:
    completed = run_main(tmp_path, "print(os.environ['NO_PROXY'])", NO_PROXY="example.invalid")
    assert completed.stdout == b"example.invalid,localhost,127.0.0.1,::1\n"


@needs_other_users
@pytest.mark.parametrize("home", [None, "/nowhere"])
def test_a_user_without_a_home_gets_one_in_the_workspace(home: str | None) -> None:
    """As in a container that runs under any number: no name, no home."""
    last = "run_framed(main)\n"
    program = PROGRAM.format(body="print(getpass.getuser(), Path.home())")
    program = program.replace(f"\n{last}", f"\nos.setuid(54321)\n{last}")
    variables = {**os.environ, "PYTHONPATH": str(PROJECT), "HOME": home}
    names = ("USER", "LOGNAME", "LNAME", "USERNAME")
    # Pytest's own folders are closed to others.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        completed = subprocess.run(
            [sys.executable, "-c", program],
            cwd=folder,
            env={key: value for key, value in variables.items() if value and key not in names},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (completed.stdout, completed.stderr) == (f"user54321 {folder}/.pipeline/home\n", "")


def test_programs_of_this_python_are_found_first(tmp_path: Path) -> None:
    completed = run_main(tmp_path, "print(os.environ['PATH'])", PATH="/usr/bin")
    assert completed.stdout.decode() == f"{Path(sys.executable).parent}:/usr/bin\n"
