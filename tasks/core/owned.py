"""Whose a folder is: every folder that this project writes holds a list of its files."""

import json
from collections.abc import Iterator
from pathlib import Path

from tasks.runner.errors import InputError

SEAL_NAME = "SHA256SUMS"
MANIFEST_NAME = "manifest.json"
# What a file manager leaves wherever it looks.
_LEFT_BY_SYSTEMS = (".DS_Store", "Thumbs.db", "desktop.ini")
_SHOWN = 3


def find_foreign(folder: Path) -> list[str]:
    """The names in a folder that its own list, or the lack of one, doesn't know."""
    known = {SEAL_NAME, MANIFEST_NAME, *_LEFT_BY_SYSTEMS, *_read_names(folder)}
    return sorted(path.name for path in folder.iterdir() if path.name not in known)


def require_own(path: Path) -> None:
    """Makes sure that nothing of a person's is lost when an output is written anew.

    Raises:
        InputError: it is a folder that holds what this project didn't write, or a link that leads
            to nothing, such as a disk that isn't there.

    """
    if path.is_symlink() and not path.exists():
        raise InputError(
            f"{path} is a link to {path.readlink()}, which isn't there. Expected a place to write"
            f" to. Make that folder, mount its disk, or remove the link: rm {path}"
        )
    foreign = find_foreign(path) if path.is_dir() else []
    if foreign:
        shown = ", ".join(foreign[:_SHOWN]) + (", …" if len(foreign) > _SHOWN else "")
        raise InputError(
            f"{path} holds {len(foreign):,} files that this project didn't write: {shown}. It is"
            " written anew, and they would be lost. Move them to another folder; if they are of no"
            f" worth: rm -r {path}"
        )


def _read_names(folder: Path) -> Iterator[str]:
    """The names in the seal and in the manifest of a folder, as far as they can be read."""
    try:
        for line in (folder / SEAL_NAME).read_text(encoding="utf-8").splitlines():
            yield line.partition("  ")[2]
    except (OSError, UnicodeDecodeError):
        pass
    try:
        manifest = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
        yield from manifest["arrays"]
    except (OSError, ValueError, KeyError, TypeError):
        pass
