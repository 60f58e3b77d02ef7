"""One writer at a time: locks held by the operating system, so that a killed holder frees them.

Two locks, because DVC closes inherited files and a lock can't be handed through it:

- the *run lock* is held by a flow from its first stage to its last;
- the *stage lock* is held by each stage's own process for as long as it lives, also if whoever
  started it was killed.

A stage that runs under a flow knows the flow's token from its environment. A stage that was started
by `dvc repro` while a flow is at work doesn't, and ends.
"""

import fcntl
import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tasks.runner.errors import InputError

LOCK_FOLDER = Path(".pipeline")
RUN_LOCK = "run.lock"
STAGE_LOCK = "stage.lock"
TOKEN_VARIABLE = "PIPELINE_RUN_TOKEN"  # noqa: S105 - a variable's name, no secret
# Whoever only looks whether a lock is free holds it for an instant; this outlasts such a look.
_PATIENCE_SECONDS = 1.0


class WorkspaceBusyError(InputError):
    """Another process is at work in this workspace."""


@contextmanager
def hold_run(what: str, folder: Path = LOCK_FOLDER) -> Iterator[str]:
    """Holds the workspace for a whole run; gives the token that lets its stages in.

    Refused while another run, or a stage that outlived its run, is at work.
    """
    token = uuid.uuid4().hex
    with _hold(folder / RUN_LOCK, what, token):
        with _hold(folder / STAGE_LOCK, what, token):
            pass
        yield token


@contextmanager
def hold_stage(what: str, folder: Path = LOCK_FOLDER) -> Iterator[None]:
    """Holds the workspace for one stage, unless another is at work, or a run that isn't its own."""
    with _hold(folder / STAGE_LOCK, what, ""):
        holder = _holder(folder / RUN_LOCK)
        token = os.environ.get(TOKEN_VARIABLE)
        if holder is None and token is not None:
            raise WorkspaceBusyError("The run that started this stage has ended.")
        if holder is not None and holder.get("token") != token:
            raise WorkspaceBusyError(_describe(holder))
        yield


@contextmanager
def hold_output(what: str, path: Path) -> Iterator[None]:
    """Holds a file that is being made, by one beside it that goes when this ends."""
    beside = path.with_name(f".{path.name}.lock")
    with _hold(beside, what, ""):
        try:
            yield
        finally:
            beside.unlink()


@contextmanager
def _hold(path: Path, what: str, token: str) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not (_lock(descriptor) and _leads_to(path, descriptor)):
            raise WorkspaceBusyError(_describe(_read(path)))
        now = datetime.now(UTC).isoformat(timespec="seconds")
        content = {"what": what, "process": os.getpid(), "since": now, "token": token}
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(content).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _leads_to(path: Path, descriptor: int) -> bool:
    """Whether a lock is the one that others see: its last holder may have removed the file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _lock(descriptor: int) -> bool:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not (free := _try(descriptor, fcntl.LOCK_EX)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return free


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(path: Path) -> dict[str, object] | None:
    """Who holds a lock; None if it is free."""
    if not path.exists():
        return None
    with path.open() as file:
        return None if _try(file.fileno(), fcntl.LOCK_SH) else _read(path)


def _read(path: Path) -> dict[str, object]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def _describe(holder: dict[str, object]) -> str:
    return (
        f"This workspace is in use by {holder.get('what', 'another process')}"
        f" (process {holder.get('process', 'unknown')}, since {holder.get('since', 'unknown')})."
        " Wait until it ends, or end it, and run this again."
    )
