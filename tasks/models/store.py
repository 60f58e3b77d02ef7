"""The champion: the model in use, kept where retraining never writes.

models/champion/VERSION holds an accepted model with its card, metrics and predictions, and is never
changed; models/champion/champion.json names the one in use, and what happened. A promotion or a
rollback is the replacement of that one file: whoever reads sees the old champion or the new one.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from tasks.core.files import replacing, write_json
from tasks.core.seal import SEAL_NAME, check_seal, read_seal, seal
from tasks.models.card import version_of
from tasks.runner.errors import InputError

CHAMPIONS = Path("models/champion")
RECORD_NAME = "champion.json"
_COMMAND = "pipeline champion"


@dataclass(frozen=True)
class Event:
    """Something that happened to the champion.

    Attributes:
        what: "promoted", by the gate; "overridden", promoted by a person against the gate;
            "rolled back".
        version: the champion from then on.
        replaced: the champion until then.
        time: ISO 8601, UTC.
        reason: the person's words, the gate's sentences, or both.

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


def read_record(folder: Path = CHAMPIONS) -> Record:
    """Reads which version is the champion, and the history.

    Raises:
        InputError: the record can't be read, or is missing where there are versions.

    """
    path = folder / RECORD_NAME
    versions = _list_versions(folder)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        events = tuple(Event(**event) for event in content["events"])
        return Record(content["current"], dict(content["withdrawn"]), events)
    except FileNotFoundError:
        if not versions:
            return Record()
        cause = "it is missing"
    except (OSError, ValueError, TypeError, KeyError) as error:
        cause = repr(error)
    raise InputError(
        f"{path} can't be read ({cause}), so that nobody knows which version is the champion."
        f" Versions in {folder}: {', '.join(versions) or 'none'}. Bring the file back, or begin a"
        f" new record with one of them: {_COMMAND} rollback --to VERSION --because REASON; or with"
        f" the candidate: {_COMMAND} promote --because REASON"
    )


def begin_record(folder: Path = CHAMPIONS) -> Record:
    """The record, or, where it is lost, a new one that trusts no version that lies there.

    What is left of a damaged record is kept beside the new one.
    """
    try:
        return read_record(folder)
    except InputError:
        path = folder / RECORD_NAME
        if path.exists():
            os.replace(path, path.with_name(f"{RECORD_NAME}.damaged"))
        unknown = "the record of champions was lost, and with it whether this version was withdrawn"
        return Record(withdrawn=dict.fromkeys(_list_versions(folder), unknown))


def promote(files: Iterable[Path], event: Event, folder: Path = CHAMPIONS) -> Record:
    """Makes a copy of a model the champion.

    Args:
        files: what to copy, the model and its card among it.
        event: the promotion; its version names the copy.

    Raises:
        InputError: the model is the champion already, or changed while it was copied.

    """
    record = begin_record(folder)
    if event.version == record.current and not find_damage(folder / event.version):
        raise InputError(f"{event.version} is the champion already")
    if not (folder / RECORD_NAME).exists():
        # Killed before its own record is written, this leaves versions, but no lost record.
        write_json(folder / RECORD_NAME, asdict(record))
    with replacing(folder / event.version) as target:
        target.mkdir()
        for source in files:
            if source.name != SEAL_NAME:
                shutil.copyfile(source, target / source.name)
        if version_of(target) != event.version:
            raise InputError("The candidate changed while it was copied. Run this again")
        seal(target)
    return _follow(record, event, record.withdrawn, folder)


def roll_back(version: str, *, reason: str, time: str, folder: Path = CHAMPIONS) -> Record:
    """Makes an earlier version the champion again, and withdraws the current one.

    Raises:
        InputError: there is no such version, it is damaged, or it is the champion.

    """
    versions = _list_versions(folder)
    if version not in versions:
        raise InputError(
            f"There is no version {version}. Versions in {folder}: {', '.join(versions) or 'none'}."
            + ("" if versions else " The first champion: pipeline gate")
        )
    if damage := find_damage(folder / version):
        others = [name for name in versions if not find_damage(folder / name)]
        raise InputError(
            f"{damage}. Go back to another: {', '.join(others) or 'no version is whole'}; or"
            f" promote the candidate: {_COMMAND} promote --because REASON"
        )
    record = begin_record(folder)
    if version == record.current:
        raise InputError(f"{version} is the champion already")
    event = Event("rolled back", version, record.current, time, reason)
    withdrawn = {record.current: reason} if record.current else {}
    return _follow(record, event, {**record.withdrawn, **withdrawn}, folder)


def find_predecessor(folder: Path = CHAMPIONS) -> str:
    """The version that was the champion before the current one, is whole and isn't withdrawn.

    Raises:
        InputError: there is none.

    """
    record = read_record(folder)
    for version in _trusted(record, folder):
        return version
    raise InputError(
        f"There is no earlier champion in {folder} to go back to. {_tell_remedies(record, folder)}"
    )


def remove_old_versions(record: Record, *, keep: int, folder: Path = CHAMPIONS) -> list[str]:
    """Removes versions that were replaced, but for the champion and the most recent ones.

    Returns:
        The removed versions.

    """
    recent = dict.fromkeys([record.current, *(event.version for event in reversed(record.events))])
    replaced = {event.replaced for event in record.events} - set(list(recent)[:keep])
    removed = [name for name in _list_versions(folder) if name in replaced]
    for name in removed:
        shutil.rmtree(folder / name)
    return removed


def champion_folder(folder: Path = CHAMPIONS) -> Path | None:
    """The folder of the champion, after a check of its bytes; None if there is no champion.

    Raises:
        InputError: the record is lost, or the champion is missing or damaged.

    """
    record = read_record(folder)
    if record.current is None:
        return None
    if damage := find_damage(folder / record.current):
        raise InputError(f"The champion can't be used: {damage}. {_tell_remedies(record, folder)}")
    return folder / record.current


def verify_store(folder: Path = CHAMPIONS) -> None:
    """Checks the record and every version: all that promotion and rollback build on.

    Raises:
        InputError: with a line per fault, each with what to do.

    """
    record = read_record(folder)
    faults = []
    for version in dict.fromkeys([*_list_versions(folder), *filter(None, [record.current])]):
        damage = find_damage(folder / version)
        if damage and version == record.current:
            faults.append(f"The champion can't be used: {damage}. {_tell_remedies(record, folder)}")
        elif damage:
            faults.append(f"{damage}. Nobody can go back to it: rm -r {folder / version}")
    if faults:
        raise InputError("\n".join(faults))


def find_damage(version_folder: Path) -> str | None:
    """What is wrong with a version; None if its bytes are those that were promoted."""
    if not version_folder.is_dir():
        return f"{version_folder} is missing"
    try:
        for name in read_seal(version_folder, remedy=""):
            check_seal(version_folder / name, remedy="")
        version = version_of(version_folder)
    except InputError as error:
        return str(error).rstrip(". ")
    if version != version_folder.name:
        return f"{version_folder} holds another version, {version}"
    return None


def _tell_remedies(record: Record, folder: Path) -> str:
    """All ways to a whole champion, the best first."""
    ways = [
        f"go back to {version}: {_COMMAND} rollback --to {version} --because REASON"
        for version in _trusted(record, folder)
    ][:1]
    ways += [
        f"go back to {version}, which was withdrawn ({reason}): {_COMMAND} rollback --to {version}"
        " --because REASON"
        for version, reason in record.withdrawn.items()
        if not find_damage(folder / version)
    ]
    ways.append(f"promote the candidate: {_COMMAND} promote --because REASON")
    return "You can " + "; or ".join(ways)


def _trusted(record: Record, folder: Path) -> Iterator[str]:
    for version in dict.fromkeys(event.version for event in reversed(record.events)):
        if (
            version != record.current
            and version not in record.withdrawn
            and not find_damage(folder / version)
        ):
            yield version


def _list_versions(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(
        path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )


def _follow(record: Record, event: Event, withdrawn: Mapping[str, str], folder: Path) -> Record:
    """Writes the record of an event: its version is the champion, and no longer withdrawn."""
    following = replace(
        record,
        current=event.version,
        withdrawn={key: why for key, why in withdrawn.items() if key != event.version},
        events=(*record.events, event),
    )
    write_json(folder / RECORD_NAME, asdict(following))
    return following
