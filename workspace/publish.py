"""Hands results on, for those who ask for it: the record to a branch, data and models to a remote.

`flow.commit_to` and `flow.push_to` in params.yaml ask for it.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tasks.runner.errors import InputError, NetworkError
from workspace.repository import open_dvc
from workspace.results import commit_results, require_possible_branch

_PROBE = ".pipeline-was-here"
# What a remote that can't be reached raises, by name: the libraries of each kind have their own.
_PASSING = (
    "Timeout",
    "Connect",
    "EndpointConnection",
    "ServerDisconnected",
    "SlowDown",
    "gaierror",
)


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
        try:
            storage = repository.cloud.get_remote(name).odb
            if storage.fs.protocol == "local":
                storage.fs.makedirs(storage.path, exist_ok=True)
            storage.fs.pipe_file(storage.fs.join(storage.path, _PROBE), b"")
        except Exception as error:  # noqa: BLE001 - each kind of remote has errors of its own
            raise _as_fault(name, error) from None


def _as_fault(remote: str, error: Exception) -> InputError | NetworkError:
    """Whether a second try may succeed, by the kind of an error and of its causes."""
    kinds = []
    cause: BaseException | None = error
    while cause is not None:
        kinds.append(type(cause).__name__)
        cause = cause.__cause__ or cause.__context__
    text = " ".join(str(error).split()) or kinds[0]
    if any(word in kind for kind in kinds for word in _PASSING):
        return NetworkError(f"The DVC remote {remote} can't be reached: {text}")
    return InputError(
        f"The DVC remote {remote} takes no files: {text}. Mend its address or its credentials: dvc"
        f" remote modify {remote} --help"
    )


def publish(
    root: Path, *, push_to: str | None, commit_to: str | None, on_line: Callable[[str], None]
) -> None:
    """Commits and pushes what params.yaml asks for; a failed push leaves the commit made."""
    if commit_to is not None:
        commit = commit_results(commit_to, root)
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
