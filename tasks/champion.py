"""The champion: the model in use, kept where retraining never writes.

models/champion/VERSION holds an accepted model with its card, metrics and predictions, and is never
changed; models/champion/champion.json names the one in use, and what happened. A promotion or a
rollback is the replacement of that one file: whoever reads sees the old champion or the new one.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from tasks.errors import InputError
from tasks.files import replacing, sha256_of, write_json

CHAMPIONS = Path("models/champion")
RECORD_NAME = "champion.json"
MANIFEST_NAME = "manifest.json"
MODEL_NAME = "classifier.tflite"
_VERSION_DIGITS = 12


@dataclass(frozen=True)
class Event:
    """Something that happened to the champion.

    Attributes:
        what: "promoted", by the gate; "overridden", promoted by a person against the gate;
            "rolled back".
        version: the champion from then on.
        replaced: the champion until then.
        time: ISO 8601, UTC.
        reason: the gate's sentences, or the person's words.

    """

    what: Literal["promoted", "overridden", "rolled back"]
    version: str
    replaced: str | None
    time: str
    reason: str


@dataclass(frozen=True)
class Record:
    """The champion and its history.

    Attributes:
        current: the version in use; None if there is none.
        withdrawn: versions that were rolled back, and why: only a person promotes them again.
        events: what happened, oldest first.

    """

    current: str | None = None
    withdrawn: Mapping[str, str] = field(default_factory=dict)
    events: tuple[Event, ...] = ()


def version_of(model: Path) -> str:
    """A model's version: the first digits of the SHA-256 of the file that ships."""
    return sha256_of(model)[:_VERSION_DIGITS]


def read_record(folder: Path = CHAMPIONS) -> Record:
    """Reads which version is the champion, and the history.

    Raises:
        InputError: the record can't be read.

    """
    path = folder / RECORD_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        events = tuple(Event(**event) for event in content["events"])
        return Record(content["current"], content["withdrawn"], events)
    except FileNotFoundError:
        return Record()
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{path} can't be read ({error!r}). Mend it, or remove {folder} and promote anew"
        ) from None


def promote(
    files: Mapping[str, Path], event: Event, test_set: Mapping[str, str], folder: Path = CHAMPIONS
) -> Record:
    """Makes a copy of a model the champion.

    Args:
        files: what to copy, under the names that the copies get.
        event: the promotion; its version names the copy.
        test_set: SHA-256 of the arrays that the predictions are about.

    Raises:
        InputError: the model is the champion already, or changed while it was copied.

    """
    record = read_record(folder)
    if event.version == record.current:
        raise InputError(f"{event.version} is the champion already")
    with replacing(folder / event.version) as target:
        target.mkdir()
        for name, source in files.items():
            shutil.copyfile(source, target / name)
        hashes = {name: sha256_of(target / name) for name in files}
        if not hashes[MODEL_NAME].startswith(event.version):
            raise InputError(f"{files[MODEL_NAME]} changed while it was copied. Run this again")
        write_json(
            target / MANIFEST_NAME,
            {"version": event.version, "files": hashes, "test_set": dict(test_set)},
        )
    withdrawn = {key: why for key, why in record.withdrawn.items() if key != event.version}
    return _write(
        replace(
            record,
            current=event.version,
            withdrawn=withdrawn,
            events=(*record.events, event),
        ),
        folder,
    )


def find_predecessor(record: Record, folder: Path = CHAMPIONS) -> str:
    """The version that was the champion before the current one and is still good.

    Raises:
        InputError: there is none.

    """
    for event in reversed(record.events):
        version = event.version
        if (
            version != record.current
            and version not in record.withdrawn
            and (folder / version).is_dir()
        ):
            return version
    raise InputError(
        f"There is no earlier champion in {folder} to go back to"
        + (f"; the only one is {record.current}" if record.current else "")
    )


def roll_back(version: str, *, reason: str, time: str, folder: Path = CHAMPIONS) -> Record:
    """Makes an earlier version the champion again, and withdraws the current one."""
    record = read_record(folder)
    if record.current is None:
        raise InputError("There is no champion yet, so there is nothing to go back from")
    if version == record.current:
        raise InputError(f"{version} is the champion already")
    verify(folder / version)
    event = Event("rolled back", version, record.current, time, reason)
    kept = {key: why for key, why in record.withdrawn.items() if key != version}
    return _write(
        replace(
            record,
            current=version,
            withdrawn=kept | {record.current: reason},
            events=(*record.events, event),
        ),
        folder,
    )


def remove_old_versions(record: Record, *, keep: int, folder: Path = CHAMPIONS) -> list[str]:
    """Removes all but the champion and the versions that were it most recently.

    Returns:
        The removed versions.

    """
    recent = dict.fromkeys(
        [record.current, *(event.version for event in reversed(record.events))], None
    )
    kept = {version for version in list(recent)[:keep] if version}
    removed = sorted(
        path.name for path in folder.iterdir() if path.is_dir() and path.name not in kept
    )
    for name in removed:
        shutil.rmtree(folder / name)
    return removed


def champion_folder(folder: Path = CHAMPIONS) -> Path | None:
    """The folder of the champion, after a check of its bytes; None if there is no champion."""
    record = read_record(folder)
    if record.current is None:
        return None
    verify(folder / record.current)
    return folder / record.current


def read_manifest(version_folder: Path) -> dict[str, Any]:
    """What was written when a version was promoted: the hashes of its files, and of its test set.

    Raises:
        InputError: there is no such version.

    """
    path = version_folder / MANIFEST_NAME
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        parent = version_folder.parent
        there = sorted(entry.name for entry in parent.iterdir() if entry.is_dir())
        raise InputError(
            f"{path} can't be read ({error}). Versions in {parent}: {', '.join(there) or 'none'}"
        ) from None


def verify(version_folder: Path) -> None:
    """Compares a version's bytes with those that were promoted.

    Raises:
        InputError: a file is missing or damaged.

    """
    for name, expected in read_manifest(version_folder)["files"].items():
        path = version_folder / name
        found = sha256_of(path) if path.is_file() else "no file"
        if found != expected:
            raise InputError(
                f"{path} is damaged: its SHA-256 is {found}, at its promotion it was {expected}."
                " Go back to an earlier champion: python -m flows.champion rollback"
            )


def _write(record: Record, folder: Path) -> Record:
    write_json(
        folder / RECORD_NAME,
        {
            "current": record.current,
            "withdrawn": dict(record.withdrawn),
            "events": [asdict(event) for event in record.events],
        },
    )
    return record
