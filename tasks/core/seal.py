"""Folders whose files are read only if they are what was written: SHA256SUMS lies beside them.

`sha256sum --check SHA256SUMS` compares them too.
"""

from pathlib import Path

from tasks.core.files import require_sha256, sha256_of, write_text
from tasks.runner.errors import InputError

SEAL_NAME = "SHA256SUMS"


def seal(folder: Path) -> None:
    """Writes the SHA-256 of each file of a folder into the folder."""
    files = sorted(path for path in folder.iterdir() if path.name != SEAL_NAME)
    lines = [f"{sha256_of(path)}  {path.name}\n" for path in files]
    write_text(folder / SEAL_NAME, "".join(lines))


def sealed(path: Path, *, stage: str) -> Path:
    """Gives back the path of a file in the sealed folder that a stage writes; see `check_seal`."""
    remedy = f"Mend it: rm -r {path.parent}; dvc repro --force --single-item {stage}"
    return check_seal(path, remedy=remedy)


def check_seal(path: Path, *, remedy: str) -> Path:
    """Gives back the path of a file in a sealed folder, if it holds what was sealed.

    A file or a seal that is missing or damaged is refused with the remedy.
    """
    expected = read_seal(path.parent, remedy=remedy).get(path.name)
    require_sha256(path, expected, listed_in=SEAL_NAME, remedy=remedy)
    return path


def read_seal(folder: Path, *, remedy: str) -> dict[str, str]:
    """The SHA-256 of each file of a sealed folder, under its name; else ends with the remedy."""
    try:
        lines = (folder / SEAL_NAME).read_text(encoding="utf-8").splitlines()
        found = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / SEAL_NAME} can't be read ({error}). {remedy}") from None
    if others := [name for name in found if "/" in name or name in ("", ".", "..")]:
        raise InputError(
            f"{folder / SEAL_NAME} names {others[0]!r}, which is no file of the folder. {remedy}"
        )
    return found
