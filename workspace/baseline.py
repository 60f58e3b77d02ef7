"""Keeps a committed result as the baseline that later reports are compared with.

    python -m workspace.baseline          # the last commit
    python -m workspace.baseline v1.2     # any commit, branch or tag

Writes reports/baseline.json from the metrics that lie in Git and from the predictions that lie in
DVC's cache or on its remote; then `dvc repro` renews the report. To be committed like the rest.
"""

import argparse
import io
import json
import subprocess
import sys
from pathlib import Path

import dvc.api
import pandas as pd
from dvc.exceptions import DvcException

from tasks.core import paths
from tasks.core.files import write_json
from tasks.report.baseline import pack_baseline
from tasks.runner.errors import InputError


def read_baseline(revision: str, root: Path) -> dict[str, object]:
    """The result of a commit, as a baseline.

    Raises:
        InputError: there is no such commit, or it has no result that could be compared.

    """
    commit = _git("rev-parse", "--short", "--verify", f"{revision}^{{commit}}", root=root).strip()
    try:
        metrics = json.loads(_git("show", f"{commit}:{paths.METRICS}", root=root))
    except ValueError as error:
        raise InputError(f"{paths.METRICS} of commit {commit} can't be read: {error}") from None
    if "sha256" not in metrics:
        raise InputError(
            f"{paths.METRICS} of commit {commit} doesn't say which images it was measured on."
            " Choose a later commit."
        )
    try:
        content = dvc.api.read(str(paths.PREDICTIONS), repo=str(root), rev=commit, mode="rb")
    except (DvcException, OSError) as error:
        raise InputError(
            f"{paths.PREDICTIONS} of commit {commit} is neither in DVC's cache nor on its remote"
            f" ({error}). Try: dvc fetch --all-commits"
        ) from None
    assert isinstance(content, bytes)
    predicted = pd.read_parquet(io.BytesIO(content), columns=["predicted"])["predicted"]
    return pack_baseline(metrics, predicted.to_numpy(), origin=f"commit {commit}")


def _git(*arguments: str, root: Path) -> str:
    completed = subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, encoding="utf-8", check=False
    )
    if completed.returncode:
        raise InputError(f"git {' '.join(arguments)}: {completed.stderr.strip()}")
    return completed.stdout


def main() -> None:
    """Reads the revision, writes the baseline, says what to do next."""
    parser = argparse.ArgumentParser(description="Keep a committed result as the baseline.")
    parser.add_argument("revision", nargs="?", default="HEAD", help="a commit, branch or tag")
    revision = parser.parse_args().revision
    try:
        baseline = read_baseline(revision, Path.cwd())
    except InputError as error:
        sys.exit(str(error))
    write_json(paths.BASELINE, baseline)
    print(f"{paths.BASELINE} holds {baseline['origin']}. Renew the report: dvc repro")


if __name__ == "__main__":
    main()
