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
        started = time.monotonic()
        run_make("repro", root=clone)
        seconds = time.monotonic() - started
        changes = run("git", "status", "--short", root=clone)
        if changes:
            sys.exit(f"The run changed what is in Git, expected nothing:\n{changes}")
        installed = measure_megabytes(clone / ".venv")
        results = {
            "date": datetime.now(UTC).date().isoformat(),
            "commit": run("git", "rev-parse", "--short", "HEAD", root=clone),
            "machine": describe_machine("tensorflow", "keras", "dvc", "prefect"),
            "seconds": round(seconds),
            "megabytes": {"running": installed, "run": measure_megabytes(clone) - installed},
            "metrics": json.loads((clone / paths.EVALUATION).read_text(encoding="utf-8")),
            "history": pd.read_csv(clone / paths.HISTORY).to_dict("records"),
        }
        run_make(".venv/installed-dev", root=clone)
        run_make(".venv/installed-cluster", root=clone)
        results["megabytes"]["testing"] = measure_megabytes(clone / ".venv") - installed
    write_json(RESULTS, results)


def run(*command: str, root: Path) -> str:
    """What a command prints."""
    completed = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=True)
    return completed.stdout.strip()


def run_make(target: str, *, root: Path) -> None:
    """Makes a target with the Python that this one was made of."""
    subprocess.run(["make", target, f"PYTHON={_BASE_PYTHON}"], cwd=root, check=True)


def measure_megabytes(folder: Path) -> int:
    """What a folder takes on the disk, in 10⁶ bytes."""
    return round(int(run("du", "-s", "-B1", str(folder), root=folder).split()[0]) / 1e6)


if __name__ == "__main__":
    main()
