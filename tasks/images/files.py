"""Which files of a folder are meant as images, what is left aside, and the bytes of one.

The same for ingest, propose and predict.
"""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from tasks.images.errors import ImageError, Tally

# What is larger isn't one of many small images, and is refused before it is read.
MAX_FILE_BYTES = 2**26
# The first columns of a table of predictions, by which it is known.
PREDICTION_COLUMNS = ("image", "label", "confidence")

# In lower case.
_SYSTEM_NAMES = (
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "$recycle.bin", "#recycle"),
    *("@eadir", "system volume information", "lost+found", "__pycache__", "*~", "~$*"),
    *("*.part", "*.partial", "*.crdownload"),
)


@dataclass(frozen=True)
class FileList:
    """What lies in a folder and the folders in it.

    Attributes:
        files: in the order of their names. Whoever reads one may find that it can't be used: a
            link to a folder and a folder that can't be opened are among them, so that they are
            told like any other file that can't be used.
        aside: what nobody means as an image, counted by its kind.

    """

    files: list[Path]
    aside: Tally = field(default_factory=Tally)


def list_files(folder: Path) -> FileList:
    """Lists the files in a folder, at any depth; links to folders aren't followed.

    DVC doesn't follow them either: it would never notice a change behind one.
    """
    aside = Tally()
    files = sorted(_walk(folder, folder, aside), key=lambda path: path.relative_to(folder).parts)
    return FileList(files, aside)


def why_aside(path: Path) -> str | None:
    """Why a file or folder is left aside; None if it is meant as an image or a folder of images."""
    name = path.name.lower()
    if name.startswith("."):
        return "hidden"
    if any(fnmatchcase(name, pattern) for pattern in _SYSTEM_NAMES):
        return "of a system or a program"
    if os.path.islink(path) or not os.path.isfile(path):
        return None
    if os.path.getsize(path) == 0:
        return "empty"
    return "a prediction's" if is_prediction(path) else None


def is_prediction(path: Path) -> bool:
    """Whether a file is what `predict` writes: the table, or a comparison with the training images."""
    name = path.name
    try:
        if name.endswith(".csv"):
            with path.open("rb") as file:
                return file.read(99).startswith(
                    ",".join(f'"{column}"' for column in PREDICTION_COLUMNS).encode()
                )
        if name.endswith(".parquet"):
            # Imported only for a table among the images.
            from pyarrow import ArrowException, parquet

            try:
                columns = parquet.read_schema(path).names
            except ArrowException:
                return False
            return tuple(columns[: len(PREDICTION_COLUMNS)]) == PREDICTION_COLUMNS
        for ending, start in ((".drift.json", b'{\n  "images": '), (".drift.md", b"|")):
            if name.endswith(ending):
                with path.open("rb") as file:
                    return file.read(len(start)) == start
    except OSError:
        return False
    return False


def read_file(path: Path, *, name: str, follow_links: bool) -> bytes:
    """Reads a file that is meant as an image, and never waits for one, as for a pipe.

    Args:
        path: of the file.
        name: for messages.
        follow_links: whether the file may be a link; DVC's cache may be made of them. Images from
            outside may not: who sends them decides where a link leads.

    Raises:
        ImageError: it isn't such a file.

    """
    flags = os.O_RDONLY | os.O_NONBLOCK | (0 if follow_links else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if stat.S_ISDIR(status.st_mode):
                kind = "is a link to a folder" if path.is_symlink() else "is a folder"
                raise ImageError(name, kind, ", which isn't followed; put the folder in its place")
            if not stat.S_ISREG(status.st_mode):
                raise ImageError(name, "is no regular file")
            if status.st_size > MAX_FILE_BYTES:
                raise ImageError(name, f"is larger than {MAX_FILE_BYTES:,} bytes")
            return file.read()
    except OSError as error:
        if error.errno == errno.ELOOP and path.is_symlink():
            raise ImageError(name, "is a link", ", which isn't followed") from None
        raise ImageError(name, "can't be read", f": {error.strerror}") from None


def _walk(folder: Path, root: Path, aside: Tally) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        yield folder
        return
    for path in entries:
        reason = why_aside(path)
        if reason:
            aside.add(reason, os.fspath(path.relative_to(root)))
        elif os.path.isdir(path) and not os.path.islink(path):
            yield from _walk(path, root, aside)
        else:
            yield path
