"""Sweeps: variants of the recipe are trained side by side, and one of them is adopted.

    pipeline sweep                  # or goes on with the one that was ended
    pipeline sweep adopt [TRIAL]    # the best one, or another

The section `sweep` of params.yaml says what is tried; docs/sweep.md has more.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dvc.exceptions import DvcException
from dvc.repo import Repo

from tasks.core import paths
from tasks.core.files import remove, write_text
from tasks.core.parameters import PARAMETERS_PATH
from tasks.runner.errors import InputError
from tasks.runner.lock import TOKEN_VARIABLE, hold_run
from tasks.runner.quiet import quiet
from tasks.sweep.training import link
from workspace.check import check
from workspace.repository import find_objects

if TYPE_CHECKING:
    from tasks.sweep.search import Sweep

_FOLDER = "sweeps"


def main() -> None:
    """Searches, or adopts what was found."""
    parser = argparse.ArgumentParser(prog="pipeline sweep", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(dest="command", metavar="adopt")
    adopting = commands.add_parser("adopt", help="put the values of a trial into params.yaml")
    adopting.add_argument("trial", metavar="TRIAL", nargs="?", type=int, help="else the best one")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        # At once: what trains here ends with this process, and the next one goes on with it.
        signal.signal(number, lambda number, _: os._exit(128 + number))
    if arguments.command is None:
        run_sweep(Path.cwd(), on_line=lambda line: print(line, flush=True))
    else:
        adopt(Path.cwd(), arguments.trial)


@contextmanager
def _holding(root: Path) -> Iterator["Sweep"]:
    """The sweep of a workspace, which nobody else has meanwhile."""
    try:
        from tasks.sweep.search import open_sweep
    except ModuleNotFoundError as error:
        if error.name != "optuna":
            raise
        raise InputError("A sweep needs Optuna, which isn't installed. Run: make cluster") from None
    check()
    folder = root / _FOLDER
    with hold_run("pipeline sweep", folder):
        # What is copied at the beginning must not change meanwhile; what trains then is apart.
        with hold_run("pipeline sweep, which is about to begin") as token:
            command = [sys.executable, "-m", "dvc", "repro", "--quiet", "validate"]
            variables = os.environ | {TOKEN_VARIABLE: token}
            if subprocess.run(command, cwd=root, env=variables, check=False).returncode:
                raise InputError("There are no images to train on that pass; see above.")
            sweep = open_sweep(root, folder)
        yield sweep


def run_sweep(root: Path, *, on_line: Callable[[str], None]) -> None:
    """Searches, from where an earlier search of the same kind was, and tells what is found."""
    with _holding(root) as sweep:
        from tasks.sweep.results import write_results
        from tasks.sweep.search import search

        search(sweep, lambda: on_line(write_results(sweep)))
        on_line(f"{write_results(sweep)}. Take the best: pipeline sweep adopt")


def adopt(root: Path, number: int | None) -> None:
    """Puts the values of a trial into params.yaml, and its model into DVC's cache of runs.

    None is the best trial. Of its seeds, the first is taken, so that luck has no say.
    """
    with _holding(root) as sweep:
        from tasks.sweep.search import finish

        place, text = finish(sweep, number)
        record(root, place)
        if (root / PARAMETERS_PATH).read_text(encoding="utf-8") != sweep.text:
            raise InputError("params.yaml changed meanwhile, and is as you left it. Run this again")
        write_text(root / PARAMETERS_PATH, text)
    print("params.yaml has the values, and DVC's cache the model. Make the report: pipeline repro")


def record(root: Path, place: Path) -> None:
    """Has DVC note what a finished training read and wrote, as of a run of the stage.

    DVC is shown a workspace like the one of the training, but with the test images, by which it
    tells one data/raw from another; nothing trains there.
    """
    shown = root / _FOLDER / ".record"
    remove(shown)  # a killed one has left it
    try:
        shutil.copytree(place, shown, ignore=shutil.ignore_patterns("raw"))
        shutil.copytree(root / paths.RAW, shown / paths.RAW, copy_function=link)
        (shown / ".dvc").mkdir()
        for name in ("dvc.yaml", ".dvcignore", ".dvc/config", ".dvc/config.local"):
            if (root / name).exists():
                shutil.copy(root / name, shown / name)
        own = {"no_scm": True, "site_cache_dir": f"{shown}/.dvc/site"}
        config = {"core": own, "cache": {"dir": str(find_objects(root).parents[1])}}
        with quiet(), chdir(shown), Repo(config=config) as repository:
            repository.commit("train", force=True)
    except DvcException as error:
        raise InputError(f"DVC: {error}") from error
    finally:
        remove(shown)
