"""Whether the outputs in the workspace hold the bytes that dvc.lock records.

    pipeline verify

DVC trusts what it once put into its cache. A cached file that has rotted since is checked out as it
is and called up to date (its own check of an object believes the file's time and mode, and removes
what it finds broken); here each byte is read again, and nothing is removed.
"""

import hashlib
import json
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from tasks.core import paths
from tasks.models.store import CHAMPIONS, verify_store
from tasks.runner.errors import InputError
from tasks.runner.lock import LOCK_FOLDER
from tasks.runner.stage import with_marks
from workspace.repository import find_objects, read_lock, shown

_VERIFIED = LOCK_FOLDER / "verified"


def verify(root: Path) -> None:
    """Refuses damage to any output, list of a folder in DVC's cache, or champion."""
    require_sound_lists(root)
    require_recorded_bytes(root)
    verify_store(root / CHAMPIONS)


def is_due(root: Path, *, hours: float) -> bool:
    """Whether so many hours have passed since every byte was read."""
    try:
        age = time.time() - (root / _VERIFIED).stat().st_mtime
    except FileNotFoundError:
        return True
    return not 0 <= age < hours * 3600


def require_recorded_bytes(root: Path, only: Collection[str] | None = None) -> None:
    """Refuses outputs that aren't as in dvc.lock: a line each, with the command that mends it.

    Of all stages, or of those that are named.
    """
    stages = read_lock(root)
    if not stages:
        raise InputError("dvc.lock records nothing to compare with. Make it: dvc repro")
    objects = find_objects(root)
    read = stages.keys() if only is None else stages.keys() & only
    outputs = [output for name in read for output in stages[name].get("outs", [])]
    if faults := [fault for output in outputs for fault in _compare(root, objects, output)]:
        raise InputError("\n".join(faults))
    if only is None:
        (root / _VERIFIED).parent.mkdir(exist_ok=True)
        (root / _VERIFIED).touch()


def require_sound_lists(root: Path) -> None:
    """Refuses lists of a folder's files, in DVC's cache, that aren't as their names say.

    DVC restores a folder from a damaged list without a word, in part, and records that as right.
    """
    if faults := [
        f"{name} is damaged: its MD5 is {found}, its name says {_name_of(path)}."
        f" Mend it: rm -rf {name}; dvc repro"
        for path in sorted(find_objects(root).glob("??/*.dir"))
        if (found := _md5(path.read_bytes())) != _name_of(path) and (name := shown(path, root))
    ]:
        raise InputError("\n".join(faults))


def _compare(root: Path, objects: Path, output: dict[str, Any]) -> Iterator[str]:
    path, expected = output["path"], output["md5"]
    if not (root / path).exists() or _differs_in_marks_alone(root / path, expected):
        return
    found = md5_of(root / path)
    if found != expected:
        torn = [shown(each, root) for each in _torn_objects(objects, expected)]
        yield (
            f"{path} is damaged: its MD5 is {found}, dvc.lock says {expected}."
            f" Mend it: rm -rf {' '.join([path, *torn])}; dvc repro"
        )


def _differs_in_marks_alone(path: Path, expected: str) -> bool:
    """Whether a file is the report, which says at its top that it is out of date."""
    if path.name != paths.REPORT_PAGE.name or not path.is_file():
        return False
    return _md5(with_marks(path.read_text("utf-8", "replace"), []).encode()) == expected


def _torn_objects(objects: Path, name: str) -> Iterator[Path]:
    """The objects in DVC's cache, of one output, that don't hold the bytes of their names."""
    cached = objects / name[:2] / name[2:]
    if not cached.is_file():
        return
    if _md5(cached.read_bytes()) != _name_of(cached):
        yield cached
    elif cached.suffix == ".dir":
        for entry in json.loads(cached.read_bytes()):
            yield from _torn_objects(objects, entry["md5"])


def md5_of(path: Path) -> str:
    """DVC's hash of a file, or of a folder: that of the list of its files."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "md5").hexdigest()
    files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
    entries = [{"md5": md5_of(file), "relpath": name} for name, file in sorted(files.items())]
    return _md5(json.dumps(entries, sort_keys=True).encode()) + ".dir"


def _name_of(cached: Path) -> str:
    return cached.parent.name + cached.name.removesuffix(".dir")


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def main() -> None:
    """Prints nothing if every byte is as recorded."""
    verify(Path.cwd())
