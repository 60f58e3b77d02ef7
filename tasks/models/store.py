"""The champion: the model in use, kept where retraining never writes.

models/champion/VERSION holds an accepted model with its card, metrics and predictions, and is never
changed; models/champion/champion.json names the one in use, and what happened. A promotion or a
rollback is the replacement of that one file: whoever reads sees the old champion or the new one.
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from tasks.core.files import replacing, sha256_of, write_json
from tasks.core.seal import SEAL_NAME, check_seal, read_seal, seal
from tasks.runner.errors import InputError

CHAMPIONS = Path("models/champion")
RECORD_NAME = "champion.json"
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


def promote(files: Iterable[Path], event: Event, folder: Path = CHAMPIONS) -> Record:
    """Makes a copy of a model the champion.

    Args:
        files: what to copy, the model among it.
        event: the promotion; its version names the copy.

    Raises:
        InputError: the model is the champion already, or changed while it was copied.

    """
    record = read_record(folder)
    if event.version == record.current:
        raise InputError(f"{event.version} is the champion already")
    with replacing(folder / event.version) as target:
        target.mkdir()
        for source in files:
            if source.name != SEAL_NAME:
                shutil.copyfile(source, target / source.name)
        if version_of(target / MODEL_NAME) != event.version:
            raise InputError("The candidate changed while it was copied. Run this again")
        seal(target)
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


def verify(version_folder: Path) -> None:
    """Compares a version's bytes with those that were promoted.

    Raises:
        InputError: the version isn't there, or a file is missing or damaged.

    """
    parent = version_folder.parent
    versions = sorted(path.name for path in parent.iterdir() if path.is_dir())
    if version_folder.name not in versions:
        raise InputError(
            f"There is no version {version_folder.name}. Versions in {parent}:"
            f" {', '.join(versions) or 'none'}"
        )
    remedy = "Go back to an earlier champion: python -m workspace.champion rollback"
    for name in read_seal(version_folder, remedy=remedy):
        check_seal(version_folder / name, remedy=remedy)


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
