"""Hands results on, for those who ask for it: the record to a branch, data and models to a remote.

`flow.commit_to` and `flow.push_to` in params.yaml ask for it.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tasks.runner.errors import InputError, NetworkError
from workspace.places import require_writable
from workspace.repository import open_dvc
from workspace.results import commit_results, require_possible_branch


def require_publishable(root: Path, *, push_to: str | None, commit_to: str | None) -> None:
    """Refuses, before anything runs, what could not be published afterwards."""
    if push_to is not None:
        # The network may be back when there is something to push.
        with suppress(NetworkError):
            require_remote(push_to, root)
    if commit_to is not None:
        require_possible_branch(commit_to, root)


def require_remote(name: str, root: Path) -> None:
    """Writes an empty file to a remote: what is wrong is an InputError, silence a NetworkError."""
    with open_dvc(root) as repository:
        remotes = dict(repository.config["remote"])
        if name not in remotes:
            raise InputError(
                f"params.yaml: flow.push_to = {name!r} is not a DVC remote. Known:"
                f" {', '.join(remotes) or 'none'}. Add it: dvc remote add {name} ADDRESS"
            )
        if not remotes[name].get("verify"):
            raise InputError(
                f"The DVC remote {name} isn't verified: damaged files would be fetched unseen."
                f" Mend it: dvc remote modify {name} verify true"
            )
        storage = repository.cloud.get_remote(name).odb
        require_writable(
            storage.fs,
            storage.path,
            place=f"The DVC remote {name}",
            remedy=f"Mend its address: dvc remote modify {name} url ADDRESS; or its credentials",
        )


def publish(
    root: Path,
    *,
    push_to: str | None,
    commit_to: str | None,
    parameters: bytes | None = None,
    on_line: Callable[[str], None],
) -> None:
    """Commits and pushes what params.yaml asks for; a failed push leaves the commit made.

    `parameters` is what params.yaml said when the results were made; None if it says so still.
    """
    if commit_to is not None:
        commit = commit_results(commit_to, root, parameters=parameters)
        on_line(f"{commit_to} is at {commit}")
    if push_to is not None:
        on_line(f"pushing to the remote {push_to}")
        try:
            with open_dvc(root) as repository:
                repository.push(remote=push_to)  # pyright: ignore[reportCallIssue] - a decorator hides `self`
        except Exception as error:  # noqa: BLE001 - each kind of remote has errors of its own
            require_remote(push_to, root)
            raise NetworkError(
                f"The DVC remote {push_to} has got only a part of these results: {error}. They are"
                " in the workspace, whole: mend the remote, and the next run pushes the rest."
            ) from None
