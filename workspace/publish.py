"""Hands results on, for those who ask for it: data and models to a remote, the record to a branch.

`flow.push_to` and `flow.commit_to` in params.yaml ask for it. Neither touches the branch that is
checked out, its files or its index.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo

from flows.parameters import FlowParameters
from tasks.runner.errors import InputError, NetworkError

_MESSAGE = "Results of the pipeline"
_LAST_LINES = 10


def require_publishable(flow: FlowParameters, root: Path) -> None:
    """Refuses, before anything runs, what could not be published afterwards.

    Raises:
        InputError: the remote is unknown or unverified, the branch is the one checked out, or Git
            doesn't know in whose name to commit.

    """
    if flow.push_to is not None:
        with Repo(str(root)) as repository:
            remotes = dict(repository.config["remote"])
        if flow.push_to not in remotes:
            known = ", ".join(remotes) or "none"
            raise InputError(
                f"params.yaml: flow.push_to = {flow.push_to!r} is not a DVC remote. Known: {known}."
                f" Add it: dvc remote add {flow.push_to} ADDRESS"
            )
        if not remotes[flow.push_to].get("verify"):
            raise InputError(
                f"The DVC remote {flow.push_to} isn't verified: damaged files would be fetched"
                f" unseen. Mend it: dvc remote modify {flow.push_to} verify true"
            )
    if flow.commit_to is not None:
        _git("check-ref-format", "--branch", flow.commit_to, root=root)
        if _git("branch", "--show-current", root=root) == flow.commit_to:
            raise InputError(
                f"params.yaml: flow.commit_to = {flow.commit_to!r} is the branch that is checked"
                " out. A run commits only to a branch that nobody works on; name another."
            )
        _require_identity(root)


def _require_identity(root: Path) -> None:
    """Refuses to work for hours towards a commit that Git wouldn't make."""
    for variable in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"):
        try:
            _git("var", variable, root=root)
        except InputError:
            raise InputError(
                "params.yaml: flow.commit_to is set, but Git doesn't know in whose name to commit."
                " Tell it: git config user.name NAME; git config user.email ADDRESS"
            ) from None


def publish(flow: FlowParameters, root: Path, on_line: Callable[[str], None]) -> None:
    """Pushes and commits what params.yaml asks for; nothing by default.

    Raises:
        NetworkError: the remote can't be reached.
        InputError: Git refuses.

    """
    if flow.push_to is not None:
        on_line(f"pushing to the remote {flow.push_to}")
        completed = subprocess.run(
            [sys.executable, "-m", "workspace.dvc_process", "push", "--remote", flow.push_to],
            cwd=root,
            env=os.environ | {"DVC_NO_ANALYTICS": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        lines = (completed.stdout + completed.stderr).splitlines()
        for line in lines:
            on_line(line)
        if completed.returncode:
            cause = "\n".join(lines[-_LAST_LINES:])
            raise NetworkError(
                f"dvc push --remote {flow.push_to} has failed: {cause}\nThe results are in the"
                " workspace, whole: mend the remote, and the next run pushes them."
            )
    if flow.commit_to is not None:
        commit = commit_results(flow.commit_to, root)
        on_line(f"{flow.commit_to} is at {commit}")


def commit_results(branch: str, root: Path) -> str:
    """Commits dvc.lock and the outputs that live in Git, and nothing else, to a branch.

    The branch begins at HEAD. Where it holds these very files already, nothing is committed.

    Returns:
        The commit at which the branch is now.

    """
    reference = f"refs/heads/{branch}"
    found = _git("for-each-ref", "--format=%(objectname)", reference, root=root)
    parent = found or _git("rev-parse", "HEAD", root=root)
    with tempfile.TemporaryDirectory() as folder:
        # An index of its own: the user's stays as it is.
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        _git("read-tree", parent, root=root, environment=index)
        _git("update-index", "--add", "--", *files_in_git(root), root=root, environment=index)
        tree = _git("write-tree", root=root, environment=index)
    if tree == _git("rev-parse", f"{parent}^{{tree}}", root=root):
        commit = parent
    else:
        commit = _git("commit-tree", tree, "-p", parent, "-m", _MESSAGE, root=root)
    # Refused if somebody else has moved the branch meanwhile.
    _git("update-ref", reference, commit, found or "0" * len(commit), root=root)
    return commit


def files_in_git(root: Path) -> list[str]:
    """dvc.lock, and the outputs that dvc.yaml keeps out of DVC's cache."""
    try:
        with Repo(str(root)) as repository:
            outputs = sorted(str(out) for out in repository.index.outs if not out.use_cache)
    except DvcException as error:
        raise InputError(f"DVC: {error}") from error
    return ["dvc.lock", *outputs]


def _git(*arguments: str, root: Path, environment: dict[str, str] | None = None) -> str:
    completed = subprocess.run(
        ["git", *arguments],
        cwd=root,
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if completed.returncode:
        raise InputError(f"git {arguments[0]}: {completed.stderr.strip()}")
    return completed.stdout.strip()
