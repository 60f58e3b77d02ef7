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
from dvc_data.hashfile.hash_info import HashInfo
from ruamel.yaml import YAML

from tasks.core import paths
from tasks.core.files import write_json
from tasks.evaluate.metrics import Earlier
from tasks.report.baseline import Baseline
from tasks.runner.errors import InputError
from workspace.git import git
from workspace.repository import open_dvc


def read_baseline(revision: str, root: Path) -> Baseline:
    """The result of a commit, as a baseline.

    Raises:
        InputError: there is no such commit, or it has no result that could be compared.

    """
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
    content = _read_predictions(commit, root)
    predicted = pd.read_parquet(io.BytesIO(content), columns=["predicted"])["predicted"]
    return Baseline(origin=f"commit {commit}", metrics=metrics, predicted=predicted.to_numpy())


def _read_predictions(commit: str, root: Path) -> bytes:
    """The predictions that a commit's dvc.lock names, from DVC's cache or from its remote."""
    stages = YAML(typ="safe").load(git("show", f"{commit}:./dvc.lock", root=root))["stages"]
    recorded = {out["path"]: out["md5"] for stage in stages.values() for out in stage["outs"]}
    md5 = recorded[str(paths.PREDICTIONS)]
    with open_dvc(root) as repository:
        cached = Path(repository.cache.local.oid_to_path(md5))
        if not cached.exists() and repository.config["remote"]:
            repository.cloud.pull([HashInfo("md5", md5)])
        if cached.exists():
            return cached.read_bytes()
        remedy = (
            f"Push them where they are: git checkout {commit}; dvc push"
            if repository.config["remote"]
            else f"There is no remote. Make them anew: git checkout {commit}; dvc repro"
        )
    raise InputError(
        f"{paths.PREDICTIONS} of commit {commit} (MD5 {md5}) is neither in DVC's cache nor on its"
        f" remote. {remedy}"
    )


def main() -> None:
    """Reads the revision, writes the baseline, says what to do next."""
    parser = argparse.ArgumentParser(description="Keep a committed result as the baseline.")
    parser.add_argument("revision", nargs="?", default="HEAD", help="a commit, branch or tag")
    baseline = read_baseline(parser.parse_args().revision, Path.cwd())
    write_json(paths.BASELINE, baseline.model_dump(mode="json"))
    print(f"{paths.BASELINE} holds {baseline.origin}. Renew the report: dvc repro")
