"""Which files of a folder are meant as images, what is left aside, and the bytes of one.

The same for ingest, propose and predict.
"""

import errno
import os
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from tasks.images.errors import ImageError, Tally

# What is larger isn't one of many small images, and is refused before it is read.
MAX_FILE_BYTES = 2**26

# What nobody means as an image, by its name in lower case; the last kind is predict's own, too.
_ASIDE = {
    "hidden": (".*",),
    "of a system or a program": (
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "$recycle.bin"),
        *("#recycle", "@eadir", "system volume information", "lost+found", "__pycache__"),
        *("*~", "~$*", "*.part", "*.partial", "*.crdownload"),
    ),
    "a table": (
        *("*.csv", "*.tsv", "*.jsonl", "*.parquet", "*.drift.json", "*.drift.md"),
        *("_predictions.json", "_drift.json", "_drift.md"),
    ),
}


class FileList(NamedTuple):
    """What lies in a folder and the folders in it, and what nobody means as an image.

    The files are in the order of their names. A link to a folder and a folder that can't be opened
    are among them, so that they are told when they are read, like others that can't be used.
    """

    files: list[Path]
    aside: Tally


def list_files(folder: Path) -> FileList:
    """Lists the files in a folder, at any depth; links to folders aren't followed.

    DVC doesn't follow them either: it would never notice a change behind one.
    """
    aside = Tally()
    return FileList(list(_walk(folder, folder, aside)), aside)


def why_aside(path: Path) -> str | None:
    """Why a file or folder is left aside; None if it is meant as an image or a folder of images."""
    if reason := why_name_aside(path.name):
        return reason
    try:
        status = path.lstat()
    except OSError:
        return None  # told when it is read
    return "empty" if stat.S_ISREG(status.st_mode) and status.st_size == 0 else None


def why_name_aside(name: str) -> str | None:
    """Why a file or folder of a name is left aside; None if the name is no reason."""
    for reason, patterns in _ASIDE.items():
        if any(fnmatchcase(name.lower(), pattern) for pattern in patterns):
            return reason
    return None


def read_file(path: Path, *, name: str, follow_links: bool) -> bytes:
    """Reads a file that is meant as an image, and never waits for one, as for a pipe.

    Links are followed for the sake of DVC's cache, which may be made of them; not in images from
    outside: who sends them decides where a link leads.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | (0 if follow_links else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ImageError(name, "is no regular file")
            if status.st_size > MAX_FILE_BYTES:
                raise ImageError(name, f"is larger than {MAX_FILE_BYTES:,} bytes")
            return file.read()
    except IsADirectoryError:
        raise ImageError(
            name, "is a link to a folder", ", which isn't followed; put the folder in its place"
        ) from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ImageError(name, "is a link", ", which isn't followed") from None
        raise ImageError(name, "can't be read", f": {error.strerror}") from None
    except ValueError as error:  # a table may name what no file can be called
        raise ImageError(name, "can't be read", f": {error}") from None


def _walk(folder: Path, root: Path, aside: Tally) -> Iterator[Path]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        yield folder
        return
    for entry in entries:
        path = Path(entry)
        reason = why_aside(path)
        if reason:
            aside.add(reason, str(path.relative_to(root)))
        elif entry.is_dir(follow_symlinks=False):
            yield from _walk(path, root, aside)
        else:
            yield path
