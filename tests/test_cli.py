"""One front door: it lists every command, imports one, and refuses the rest in a line."""

import os
import pty
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from cli import COMMANDS, write_completion
from tests.conftest import PROJECT, environment


def pipeline(
    *arguments: str, root: Path = PROJECT, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Runs the front door as its shim does."""
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        cwd=root,
        env=environment() | {"PYTHONPATH": str(PROJECT)} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_has_a_line_for_every_command() -> None:
    lines = pipeline("--help").stdout.splitlines()
    for name, (_, _, purpose) in COMMANDS.items():
        assert f"  {name:12}{purpose}" in lines
        assert len(f"  {name:12}{purpose}") <= 80
    assert pipeline().stdout.splitlines() == lines


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "completion"])
def test_every_command_has_its_module(name: str) -> None:
    spec = find_spec(COMMANDS[name][0])
    assert spec is not None
    assert spec.origin is not None
    assert "\ndef main() -> " in Path(spec.origin).read_text("utf-8")


def test_the_door_itself_imports_nothing_that_takes_long() -> None:
    program = "import sys, cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert {"numpy", "dvc", "prefect", "pydantic", "ruamel", "argparse"}.isdisjoint(loaded)


HEAVY = {"dvc", "great_expectations", "keras", "matplotlib", "pandas", "prefect", "scipy"}
HEAVY |= {"seaborn", "sklearn", "tensorflow"}


@pytest.mark.parametrize(
    ("command", "used"),
    [
        ("--help", set()),
        ("check", set()),
        ("plan", {"dvc"}),
        ("status", {"dvc"}),
        ("propose --help", set()),
        ("predict --help", set()),
    ],
)
def test_a_command_imports_nothing_heavy_that_it_does_not_use(
    workspace: Path, command: str, used: set[str]
) -> None:
    program = (
        "import atexit, runpy, sys\n"
        "atexit.register(lambda: print(*{name.partition('.')[0] for name in sys.modules}))\n"
        f"sys.argv = ['cli', *{command.split()}]\n"
        "runpy.run_module('cli', run_name='__main__')"
    )
    completed = subprocess.run(
        [sys.executable, "-c", program],
        cwd=workspace,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in completed.stderr
    assert HEAVY & set(completed.stdout.splitlines()[-1].split()) == used


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("stauts",), "pipeline has no command stauts. It has: repro, run, plan"),
        (("plan", "--verbose"), "pipeline plan takes no arguments; received --verbose"),
        (("completion", "fish"), "Completion is there for bash and zsh"),
    ],
)
def test_what_it_does_not_know_is_one_line(arguments: tuple[str, ...], told: str) -> None:
    completed = pipeline(*arguments)
    assert (completed.returncode, completed.stdout) == (1, "")
    assert completed.stderr.startswith(told)
    assert completed.stderr.count("\n") == 1


def test_a_command_without_arguments_has_help_too() -> None:
    assert pipeline("plan", "--help").stdout.startswith("usage: pipeline plan\n")


def test_outside_the_projects_folder_it_says_so(tmp_path: Path) -> None:
    completed = pipeline("plan", root=tmp_path)
    assert completed.returncode == 1
    assert completed.stderr == ("There is no dvc.yaml here. Run this from the project's folder.\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("pipeline sta", "status"),
        ("pipeline champion r", "rollback register"),
        ("pipeline plan x", ""),
    ],
)
def test_bash_completes_commands_and_their_commands(words: str, expected: str) -> None:
    script = (
        f"{write_completion('bash')}\nCOMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))"
        '\n_pipeline; echo "${COMPREPLY[@]}"'
    )
    completed = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True)
    assert completed.stdout.split() == expected.split()


def test_a_person_s_bash_completes_what_is_typed(tmp_path: Path) -> None:
    """A real, interactive bash on a terminal of its own, and a real Tab."""
    (tmp_path / "rc").write_text(f"PS1='$ '\n{write_completion('bash')}\n")
    (tmp_path / "pipeline").write_text('#!/bin/sh\necho "ran: $*"\n')
    (tmp_path / "pipeline").chmod(0o755)
    terminal, inside = pty.openpty()
    with subprocess.Popen(
        ["bash", "--noprofile", "--rcfile", str(tmp_path / "rc"), "-i"],
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TERM": "dumb"},
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
    ):
        os.close(inside)
        told = b""
        while not told.endswith(b"$ "):
            told += os.read(terminal, 4096)
        os.write(terminal, b"pipeline cham\tsh\t\rexit\r")
        with suppress(OSError):  # Linux ends a terminal so
            while part := os.read(terminal, 4096):
                told += part
    os.close(terminal)
    assert b"ran: champion show" in told


def test_the_program_that_make_installs_starts_this_code(tmp_path: Path) -> None:
    """Its two lines, as the Makefile writes them, beside a Python of its own."""
    recipe = (PROJECT / "Makefile").read_text("utf-8")
    start = recipe.index("@printf '%s\\n' '#!/bin/sh'")
    lines = recipe[start + 1 : recipe.index("> .venv/bin/pipeline", start)].replace("$$", "$")
    shim = tmp_path / "bin" / "pipeline"
    shim.parent.mkdir()
    subprocess.run(["sh", "-c", f"{lines} > {shim}"], check=True)
    shim.chmod(0o755)
    (shim.parent / "python").symlink_to(sys.executable)
    outside = subprocess.run([shim], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert outside.returncode == 1
    assert outside.stderr == "There is no cli.py here. Run this from the project's folder.\n"
    inside = subprocess.run(
        [shim, "--help"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert inside.stdout.startswith("usage: pipeline COMMAND")


def test_a_stage_runs_with_the_projects_python_where_its_environment_is_not_active(
    tmp_path: Path,
) -> None:
    own = tmp_path / ".venv" / "bin" / "python"
    own.parent.mkdir(parents=True)
    own.write_text('#!/bin/sh\necho "the project\'s own: $*"\n')
    own.chmod(0o755)
    commands = [
        line.partition("cmd: ")[2]
        for line in (PROJECT / "dvc.yaml").read_text("utf-8").splitlines()
        if "cmd: " in line
    ]
    for command in commands:
        for shell in ("sh", "bash"):
            completed = subprocess.run(
                [shell, "-c", command],
                cwd=tmp_path,
                env={"PATH": "/usr/bin:/bin"},
                check=True,
                capture_output=True,
                text=True,
            )
            assert completed.stdout.startswith("the project's own: -m tasks.")
