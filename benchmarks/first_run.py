"""Measures what a new user's first commands take and leave behind, in a clone of the last commit.

    python -m benchmarks.first_run

writes docs/results.json, from which `python -m docs.readme` renders the README's figures. Needs a
quiet machine, and some GB in the folder for temporary files.
"""

import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from benchmarks.machine import describe_machine
from tasks.core import paths
from tasks.core.files import write_json

RESULTS = Path("docs/results.json")
_BASE_PYTHON = Path(sys.base_prefix) / "bin" / "python3"


def main() -> None:
    """Clones, installs, runs, installs what tests need; writes times, sizes and metrics."""
    with tempfile.TemporaryDirectory() as temporary:
        clone = Path(temporary) / "clone"
        run("git", "clone", "--quiet", str(Path.cwd()), str(clone), root=Path.cwd())
        seconds = {
            "environment": measure_make("install", root=clone),
            "pipeline": measure_make("repro", root=clone),
        }
        changes = run("git", "status", "--short", root=clone)
        if changes:
            sys.exit(f"The run changed what is in Git, expected nothing:\n{changes}")
        installed = measure_megabytes(clone / ".venv")
        results = {
            "date": datetime.now(UTC).date().isoformat(),
            "commit": run("git", "rev-parse", "--short", "HEAD", root=clone),
            "machine": describe_machine("tensorflow", "keras", "dvc", "prefect"),
            "seconds": seconds | measure_packages(clone, Path(temporary) / "packages"),
            "megabytes": {"running": installed, "run": measure_megabytes(clone) - installed},
            "metrics": json.loads((clone / paths.EVALUATION).read_text(encoding="utf-8")),
            "history": pd.read_csv(clone / paths.HISTORY).to_dict("records"),
        }
        measure_make(".venv/installed-dev", root=clone)
        measure_make(".venv/installed-cluster", root=clone)
        results["megabytes"]["testing"] = measure_megabytes(clone / ".venv") - installed
    write_json(RESULTS, results)


def run(*command: str, root: Path) -> str:
    """What a command prints."""
    completed = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=True)
    return completed.stdout.strip()


def measure_make(target: str, *, root: Path) -> int:
    """The seconds to make a target with the Python that this one was made of."""
    return measure("make", target, f"PYTHON={_BASE_PYTHON}", root=root)


def measure_packages(clone: Path, folder: Path) -> dict[str, int]:
    """The seconds to get the packages that running needs, to unpack and to compile them, apart."""
    python, place = str(clone / ".venv" / "bin" / "python"), str(folder / "place")
    pip = (python, "-m", "pip", "--quiet", "--disable-pip-version-check")
    what = ("--no-deps", "--require-hashes", "-r", "requirements.lock")
    kept = ("--cache-dir", str(folder / "cache"))  # an empty one, which downloading fills
    return {
        "download": measure(*pip, "download", *kept, *what, "-d", str(folder), root=clone),
        "install": measure(*pip, "install", *kept, *what, "--no-compile", "-t", place, root=clone),
        "compile": measure(python, "-m", "compileall", "-qq", "-j", "0", place, root=clone),
    }


def measure(*command: str, root: Path) -> int:
    """The seconds of a command that succeeds."""
    started = time.monotonic()
    subprocess.run(command, cwd=root, check=True)
    return round(time.monotonic() - started)


def measure_megabytes(folder: Path) -> int:
    """What a folder takes on the disk, in 10⁶ bytes."""
    return round(int(run("du", "-s", "-B1", str(folder), root=folder).split()[0]) / 1e6)


if __name__ == "__main__":
    main()
