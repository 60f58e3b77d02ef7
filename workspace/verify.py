"""Whether the outputs in the workspace hold the bytes that dvc.lock records.

    python -m workspace.verify

DVC trusts what it once put into its cache. A cached file that has rotted since is checked out as it
is and called up to date; here each byte is read again.
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tasks.runner.errors import InputError

_CACHE = Path(".dvc/cache/files/md5")


def require_recorded_bytes(root: Path) -> None:
    """Compares every output that is there with dvc.lock.

    Raises:
        InputError: with one line per damaged output: both hashes, and the command that mends it.

    """
    path = root / "dvc.lock"
    try:
        stages = YAML(typ="safe").load(path.read_text(encoding="utf-8"))["stages"]
    except (OSError, YAMLError, UnicodeDecodeError, KeyError, TypeError) as error:
        cause = " ".join(str(error).split())
        raise InputError(f"{path} can't be read ({cause}). Run: dvc repro") from None
    outputs = [output for stage in stages.values() for output in stage.get("outs", [])]
    if faults := [fault for output in outputs for fault in _compare(root, output)]:
        raise InputError("\n".join(faults))


def require_sound_lists(root: Path) -> None:
    """Compares each list of a folder's files, in DVC's cache, with its name.

    DVC restores a folder from a damaged list without a word, in part, and records that as right.

    Raises:
        InputError: with one line per damaged list.

    """
    faults = []
    for path in sorted((root / _CACHE).glob("??/*.dir")):
        found, expected = _md5(path.read_bytes()), _name_of(path)
        if found != expected:
            faults.append(
                f"{path.relative_to(root)} is damaged: its MD5 is {found}, its name says"
                f" {expected}. Mend it: rm -rf {path.relative_to(root)}; dvc repro"
            )
    if faults:
        raise InputError("\n".join(faults))


def _compare(root: Path, output: dict[str, Any]) -> Iterator[str]:
    path, expected = output["path"], output["md5"]
    if not (root / path).exists():
        return
    found = md5_of(root / path)
    if found != expected:
        cached = _CACHE / expected[:2] / expected[2:]
        torn = [path, *_torn_objects(root, cached)]
        yield (
            f"{path} is damaged: its MD5 is {found}, dvc.lock says {expected}."
            f" Mend it: rm -rf {' '.join(map(str, torn))}; dvc repro"
        )


def _torn_objects(root: Path, cached: Path) -> Iterator[Path]:
    """The objects in DVC's cache, of one output, that don't hold the bytes of their names."""
    if not (root / cached).is_file():
        return
    if _md5((root / cached).read_bytes()) != _name_of(cached):
        yield cached
    elif cached.suffix == ".dir":
        for entry in json.loads((root / cached).read_bytes()):
            yield from _torn_objects(root, _CACHE / entry["md5"][:2] / entry["md5"][2:])


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
    try:
        require_sound_lists(Path.cwd())
        require_recorded_bytes(Path.cwd())
    except InputError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
