"""The front door: `pipeline COMMAND`, from the project's folder.

A command's module is imported when the command runs, so that none pays for what it doesn't use.
The program itself, .venv/bin/pipeline, is two lines of shell that start this file with the Python
beside them; `make` writes it.
"""

import sys
from importlib import import_module
from pathlib import Path

from tasks.runner.errors import InputError
from tasks.runner.frame import run_framed

# name → the module whose `main` runs, whether it takes arguments, what it does.
COMMANDS = {
    "repro": ("workspace.repro", False, "run what has to run, and say where the report is"),
    "run": ("flows.run", False, "the same as a Prefect flow, with gate and publishing"),
    "plan": ("workspace.plan", False, "which stages would run, and why"),
    "status": ("workspace.status", False, "how good the model is; whether its report is current"),
    "check": ("workspace.check", False, "refuse impossible parameters before anything runs"),
    "verify": ("workspace.verify", False, "compare every output with its record, byte by byte"),
    "heal": ("workspace.heal", False, "remove what a killed run has left"),
    "gate": ("tasks.models.decide", False, "judge the candidate; promote it if it may be"),
    "champion": ("workspace.champion", True, "show, promote, decline, rollback, register"),
    "compare": ("workspace.compare", True, "two runs of the archive, side by side"),
    "baseline": ("workspace.baseline", True, "compare later reports with a commit's result"),
    "sweep": ("workspace.sweep", True, "train variants of the recipe, and adopt one of them"),
    "propose": ("tasks.propose.__main__", True, "propose parameters for other images"),
    "predict": ("tasks.predict.__main__", True, "classify images with the model in use"),
    "serve": ("flows.serve", False, "server, schedule and worker for unattended runs"),
    "completion": ("", True, "print a shell's completion: bash or zsh"),
}
_SUBCOMMANDS = {
    "champion": "show promote decline rollback register",
    "sweep": "adopt",
    "completion": "bash zsh",
}


def main() -> int | None:
    """Runs one command, as the line says."""
    if not Path("dvc.yaml").is_file():
        raise InputError("There is no dvc.yaml here. Run this from the project's folder.")
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("--help", "-h"):
        print(describe_commands())
        return 0
    if name not in COMMANDS:
        raise InputError(f"pipeline has no command {name}. It has: {', '.join(COMMANDS)}")
    module, takes_arguments, purpose = COMMANDS[name]
    if arguments and not takes_arguments:
        if set(arguments) <= {"--help", "-h"}:
            print(f"usage: pipeline {name}\n\n{purpose}")
            return 0
        raise InputError(f"pipeline {name} takes no arguments; received {' '.join(arguments)}")
    if name == "completion":
        print(write_completion(*arguments[:1]))
        return 0
    sys.argv = [f"pipeline {name}", *arguments]
    return import_module(module).main()


def describe_commands() -> str:
    """The page of help, a line per command."""
    lines = [f"  {name:12}{purpose}" for name, (_, _, purpose) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: pipeline COMMAND ...\n",
            *lines,
            "\npipeline COMMAND --help says more. Exit status: 0 done, 1 refused or failed,",
            "2 misused, 130 interrupted.",
        ]
    )


def write_completion(shell: str = "") -> str:
    """A script that completes commands and files; to be read at the shell's start.

    Raises:
        InputError: the shell is neither bash nor zsh.

    """
    if shell not in ("bash", "zsh"):
        raise InputError(
            'Completion is there for bash and zsh: eval "$(pipeline completion bash)" in ~/.bashrc'
        )
    cases = [
        f'    {name}) set -- "$COMP_CWORD" 2 "{words}" ;;' for name, words in _SUBCOMMANDS.items()
    ]
    lines = [
        *(["autoload -U +X bashcompinit && bashcompinit"] if shell == "zsh" else []),
        "_pipeline() {",
        f'  set -- "$COMP_CWORD" 1 "{" ".join(COMMANDS)}"',
        '  if [ "$COMP_CWORD" -gt 1 ]; then case "${COMP_WORDS[1]}" in',
        *cases,
        "  esac; fi",
        '  [ "$1" -eq "$2" ] && COMPREPLY=($(compgen -W "$3" -- "${COMP_WORDS[COMP_CWORD]}"))',
        "}",
        "complete -o default -F _pipeline pipeline",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    run_framed(main)
