"""Keeps a committed result as the baseline that later reports are compared with.

    pipeline baseline          # the last commit
    pipeline baseline v1.2     # any commit, branch or tag

Writes reports/baseline.json from the metrics that lie in Git and from the predictions that lie in
DVC's cache or on its remote; then `dvc repro` renews the report. To be committed like the rest.
"""

import argparse
import io
from pathlib import Path

import pandas as pd

from tasks.core import paths
from tasks.core.files import write_json
from tasks.evaluate.metrics import Earlier
from tasks.report.baseline import Baseline
from tasks.runner.errors import InputError
from workspace.git import can_git, git
from workspace.repository import open_dvc, read_at


def read_baseline(revision: str, root: Path) -> Baseline:
    """The result of a commit, as a baseline; refuses one without a result to compare with."""
    if not can_git("rev-parse", "--git-dir", root=root):
        raise InputError(
            f"{root} lies in no Git repository, and a baseline is a commit's result. Make one: git"
            " init; git add --all; git commit -m begin"
        )
    commit = git("rev-parse", "--short", "--verify", f"{revision}^{{commit}}", root=root)
    try:
        # The path is taken from here, which may lie below Git's top folder.
        metrics = Earlier.model_validate_json(
            git("show", f"{commit}:./{paths.EVALUATION}", root=root)
        )
    except ValueError as error:
        cause = str(error).splitlines()[0]
        raise InputError(
            f"{paths.EVALUATION} of commit {commit} can't be read: {cause}. Choose a later commit."
        ) from None
    content = io.BytesIO(_read_predictions(commit, root))
    predicted = pd.read_parquet(content, columns=["predicted"])["predicted"]
    return Baseline(origin=f"commit {commit}", metrics=metrics, predicted=predicted.to_numpy())


def _read_predictions(commit: str, root: Path) -> bytes:
    """The predictions of a commit, from DVC's cache or from its remote."""
    try:
        return read_at(commit, paths.PREDICTIONS, root)
    except InputError as error:
        with open_dvc(root) as repository:
            remedy = (
                f"Push them where they are: git checkout {commit}; dvc push"
                if repository.config["remote"]
                else f"There is no remote. Make them anew: git checkout {commit}; dvc repro"
            )
        raise InputError(f"{error}. {remedy}") from None


def main() -> None:
    """Reads the revision, writes the baseline, says what to do next."""
    parser = argparse.ArgumentParser(description="Keep a committed result as the baseline.")
    parser.add_argument("revision", nargs="?", default="HEAD", help="a commit, branch or tag")
    baseline = read_baseline(parser.parse_args().revision, Path.cwd())
    write_json(paths.BASELINE, baseline.model_dump(mode="json"))
    print(f"{paths.BASELINE} holds {baseline.origin}. Renew the report: dvc repro")
