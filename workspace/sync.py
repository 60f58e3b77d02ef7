"""The archive of runs, copied to where it outlives this machine: a folder, or an object store.

`flow.sync_to` in params.yaml names the place, as fsspec writes it: /mnt/runs, s3://bucket/runs.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from tasks.core.files import write_bytes
from tasks.runner.errors import InputError, NetworkError
from workspace.archive import ARCHIVE, RECORD_NAME, read_runs
from workspace.overview import PAGE_NAME, TITLE
from workspace.places import as_fault, require_writable

_REMEDY = "Mend the address or its credentials"


def sync_archive(
    address: str, archive: Path = ARCHIVE, *, on_line: Callable[[str], None] = print
) -> list[str]:
    """Copies the runs that aren't there yet, and the overview; removes nothing there.

    A run's record is copied last, so that a run that was cut short is copied again.

    Args:
        on_line: receives a line per run that was copied.

    Returns:
        The names of the runs that were copied.

    Raises:
        InputError: see `require_place`; or there is a page of the same name that no overview is.
        NetworkError: the place can't be reached.

    """
    system, place = _find_place(address)
    copied = []
    try:
        system.invalidate_cache()
        there = {Path(str(path)).parent.name for path in system.glob(f"{place}/*/{RECORD_NAME}")}
        for run in read_runs(archive):
            if run.name not in there:
                files = (archive / run.name).iterdir()
                for path in sorted(files, key=lambda path: (path.name == RECORD_NAME, path.name)):
                    _put(system, path, f"{place}/{run.name}/{path.name}")
                on_line(f"copied {run.name} to {address}")
                copied.append(run.name)
        if (archive / PAGE_NAME).is_file():
            _require_own_page(system, f"{place}/{PAGE_NAME}", address)
            _put(system, archive / PAGE_NAME, f"{place}/{PAGE_NAME}")
    except InputError:
        raise
    except Exception as error:
        remedy = (
            f"{_REMEDY}; the runs are whole in {archive}, and the next one of the flow copies them"
        )
        raise as_fault(error, place=f"flow.sync_to = {address}", remedy=remedy) from error
    return copied


def _require_own_page(system: Any, page: str, address: str) -> None:
    title = f"<title>{TITLE}</title>".encode()
    if system.exists(page) and title not in system.cat_file(page, end=1024):
        raise InputError(
            f"{address} holds a page {PAGE_NAME} that isn't the overview of runs, and would be"
            " replaced; the runs are copied. Move it away, or name another folder in flow.sync_to"
        )


def require_place(address: str) -> None:
    """Refuses, before anything runs, a place that would take nothing afterwards.

    Raises:
        InputError: fsspec knows no such place, its package isn't installed, or it takes no files.

    """
    system, place = _find_place(address)
    # The network may be back when there is something to copy.
    with suppress(NetworkError):
        require_writable(system, place, place=f"flow.sync_to = {address}", remedy=_REMEDY)


def _find_place(address: str) -> tuple[Any, str]:
    try:
        return fsspec.core.url_to_fs(address)
    except (ValueError, ImportError) as error:
        raise InputError(
            f"params.yaml: flow.sync_to = {address!r} is no place for files: {error}. Expected is a"
            " folder, or an address such as s3://bucket/runs"
        ) from None


def _put(system: Any, path: Path, target: str) -> None:
    if isinstance(system, LocalFileSystem):
        write_bytes(Path(target), path.read_bytes())
    else:
        # A missing folder is none, and a missing bucket is an error to tell.
        system.put_file(str(path), target)
