"""Files that are written whole or not at all, and read only if they are what was written."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.runner.errors import InputError

# Of what is being written: a dot, the final name, and this.
TEMPORARY_SUFFIX = ".partial"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary path, for a file or a folder, that becomes `path` when the block succeeds.

    Whoever reads `path` sees the old content or the new, never a part of it. What a killed process
    left behind is removed by the next one. Only a folder takes the place of a folder: whose it is,
    `tasks.runner.declared` has asked before the stage began.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}{TEMPORARY_SUFFIX}")
    remove(temporary)
    try:
        yield temporary
        _flush_to_disk(temporary)
        if path.is_dir() and not temporary.is_dir():
            raise InputError(f"{path} is a folder; expected a file, or nothing. Move it away")
        if path.is_dir():
            remove(path)
        os.replace(temporary, path)
    finally:
        remove(temporary)


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Writes a UTF-8 text whole or not at all."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, content: object) -> None:
    """Writes strict JSON (no NaN, no infinity) whole or not at all, the same bytes every time."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_sha256(path: Path, expected: str | None, *, listed_in: str, remedy: str) -> None:
    """Refuses a file that is missing, or whose SHA-256 isn't the listed one."""
    found = sha256_of(path) if path.is_file() else "no file"
    if found != expected:
        raise InputError(
            f"{path} is damaged: its SHA-256 is {found},"
            f" {listed_in} says {expected or 'nothing'}. {remedy}"
        )


def remove(path: Path) -> None:
    """Removes a file, a link, or a folder with all it holds; what isn't there needs no removal."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush_to_disk(path: Path) -> None:
    for file in [path, *path.rglob("*")] if path.is_dir() else [path]:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
