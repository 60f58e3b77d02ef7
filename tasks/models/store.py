"""The champion: the model in use, kept where retraining never writes.

models/champion/VERSION holds an accepted model with its card, metrics and predictions, and is never
changed; models/champion/champion.json names the one in use, the one that waits for a decision, and
what happened. A promotion or a rollback is the replacement of that one file: whoever reads sees the
old champion or the new one.
"""

import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from tasks.core.files import remove, replacing, write_json
from tasks.core.seal import SEAL_NAME, check_seal, read_seal, seal
from tasks.models.card import CARD_NAME, MODEL_NAME, version_of
from tasks.runner.errors import InputError

CHAMPIONS = Path("models/champion")
RECORD_NAME = "champion.json"
_COMMAND = "pipeline champion"
# To what waits, and is damaged.
_WAY_BACK = (
    "If it is the candidate still, have it judged again, which brings it back: pipeline gate."
    f" If not: {_COMMAND} decline --because REASON"
)
_VERSION = re.compile("[0-9a-f]{12}")
_OLD = ".old"  # of the name of a version's folder that is being replaced


@dataclass(frozen=True)
class Event:
    """Something that happened to the champion.

    Attributes:
        what: "promoted", because the gate accepted it; "overridden", promoted by a person against
            the gate; "rolled back"; "declined", so that it waits no longer.
        version: the champion from then on, but for what was declined.
        replaced: the champion until then; None if it stays.
        time: ISO 8601, UTC.
        by: the gate, or the person as Prefect or the machine knows them.
        reason: the person's words, the gate's sentences, or both.

    """

    what: Literal["promoted", "overridden", "rolled back", "declined"]
    version: str
    replaced: str | None
    time: str
    by: str
    reason: str


@dataclass(frozen=True)
class Pending:
    """A model that the gate accepted, and that waits for a person's decision."""

    version: str  # of it; its folder lies beside those of champions
    time: str  # ISO 8601, UTC, since when it waits
    reason: str  # the gate's sentences
    champion: str | None = None  # with which it was compared; None if there was none


@dataclass(frozen=True)
class Record:
    """The champion and its history.

    Attributes:
        current: the version in use; None if there is none.
        withdrawn: versions that were taken back or declined, and why: only a person promotes them.
        events: what happened, oldest first.

    """

    current: str | None = None
    pending: Pending | None = None
    withdrawn: Mapping[str, str] = field(default_factory=dict)
    events: tuple[Event, ...] = ()

    @property
    def waiting(self) -> str | None:
        """The version that waits for a decision."""
        return self.pending.version if self.pending else None

    @property
    def champions(self) -> tuple[str, ...]:
        """All that were in use, the last first."""
        events = (event for event in reversed(self.events) if event.what != "declined")
        return tuple(dict.fromkeys(event.version for event in events))


class DecidedMeanwhileError(InputError):
    """Since a model was judged, somebody has decided on it, or on the champion."""


class LostRecordError(InputError):
    """The record is damaged, or missing where there are versions."""


def read_record(folder: Path = CHAMPIONS) -> Record:
    """Reads which version is the champion, and the history.

    Raises:
        LostRecordError: the record is damaged, or missing where there are versions.
        InputError: the system doesn't let it be read.

    """
    path, versions = folder / RECORD_NAME, _list_versions(folder, Record())
    try:
        return TypeAdapter(Record).validate_json(path.read_bytes())
    except FileNotFoundError:
        if not versions:
            return Record()
        cause = "it is missing"
    except PermissionError as error:
        raise InputError(
            f"{path} may not be read by this user. Run this as its owner, or: chmod a+r {path}"
        ) from error
    except OSError as error:  # of the disk or the network: the record may be whole
        raise InputError(f"{path} can't be read now ({error.strerror}). Mend that first") from error
    except ValueError as error:
        cause = " ".join(str(error).split())
    raise LostRecordError(
        f"{path} can't be read ({cause}), so that nobody knows which version is the champion."
        f" Versions in {folder}: {', '.join(versions) or 'none'}. Bring the file back, or begin a"
        f" new record with one of them: {_COMMAND} rollback --to VERSION --because REASON; or with"
        f" the candidate: {_COMMAND} promote --because REASON"
    )


def begin_record(folder: Path = CHAMPIONS) -> Record:
    """The record, or, where it is lost, a new one that trusts no version that lies there.

    One that only can't be read now isn't lost: that is an InputError.
    """
    try:
        return read_record(folder)
    except LostRecordError:
        unknown = "the record of champions was lost, and with it whether this version was withdrawn"
        return Record(withdrawn=dict.fromkeys(_list_versions(folder, Record()), unknown))


def promote(event: Event, files: Mapping[Path, str] | None, folder: Path = CHAMPIONS) -> Record:
    """Makes a model the champion.

    Args:
        event: the promotion; its version names the folder.
        files: what to copy, the model and its card among it, each with the SHA-256 of what was
            judged; None if it has waited there.

    Raises:
        InputError: the model is the champion already, or damaged; or it, or the champion, changed
            meanwhile.

    """
    with _changing(folder) as record:
        if event.version == record.current and not find_damage(folder / event.version):
            raise InputError(f"{event.version} is the champion already")
        _require_champion(event.replaced, record)
        if files is not None:
            _copy(files, event.version, record, folder)
        elif damage := find_damage(folder / event.version):
            raise InputError(f"{damage}. {_WAY_BACK}")
        return _follow(record, event, folder)


def let_wait(pending: Pending, files: Mapping[Path, str], *, folder: Path = CHAMPIONS) -> None:
    """Keeps an accepted model until a person decides, instead of one that has waited so far.

    If that is the same model, it waits since then. The files are those of `promote`.

    Raises:
        DecidedMeanwhileError: another one is the champion now, or the model was declined.

    """
    with _changing(folder) as record:
        _require_champion(pending.champion, record)
        if reason := record.withdrawn.get(pending.version):
            raise DecidedMeanwhileError(
                f"{pending.version} was taken back meanwhile: {reason}. Have the candidate judged"
                " again: pipeline gate"
            )
        _copy(files, pending.version, record, folder)
        if record.pending and record.pending.version == pending.version:
            pending = replace(pending, time=record.pending.time)
        _let_wait(pending, record, folder)


def _require_champion(judged: str | None, record: Record) -> None:
    """Refuses a decision on a model that was compared with another champion."""
    if judged != record.current:
        raise DecidedMeanwhileError(
            f"The champion changed meanwhile: {record.current} for {judged}. Have the candidate"
            " judged again: pipeline gate"
        )


def decline(event: Event, folder: Path = CHAMPIONS) -> None:
    """Lets the model that waits do so no longer; no gate accepts it again.

    Raises:
        InputError: another one waits, or none does.

    """
    with _changing(folder) as record:
        if event.version != record.waiting:
            waits = f"{record.waiting} does" if record.waiting else "none does"
            raise InputError(
                f"{event.version} doesn't wait for a decision; {waits}. See: {_COMMAND} show"
            )
        withdrawn = {**record.withdrawn, event.version: f"declined: {event.reason}"}
        declined = replace(record, withdrawn=withdrawn, events=(*record.events, event))
        _let_wait(None, declined, folder)


def let_wait_no_longer(version: str, folder: Path = CHAMPIONS) -> None:
    """Takes back that a model waits, if it does, because the gate now rejects it."""
    if (folder / RECORD_NAME).exists():
        with _changing(folder) as record:
            if record.waiting == version:
                _let_wait(None, record, folder)


def _let_wait(pending: Pending | None, record: Record, folder: Path) -> None:
    """Writes what waits now; removes what has waited and was never the champion."""
    following = replace(record, pending=pending)
    _write(following, folder)
    forgotten = {record.waiting} - {following.waiting, record.current, *record.champions}
    for version in set(_list_versions(folder, record)) & forgotten:
        _remove(folder / version)


def roll_back(
    version: str | None, *, reason: str, by: str, time: str, folder: Path = CHAMPIONS
) -> Record:
    """Makes an earlier version the champion again, and withdraws the current one.

    Args:
        version: which one; None is the one before.
        time: ISO 8601, UTC.

    Raises:
        InputError: there is no such version, it is damaged, or it is the champion.

    """
    with _changing(folder) as record:
        if version is None:
            version = find_predecessor(record, folder)
        if version is None:
            remedies = _tell_remedies(record, folder)
            raise InputError(f"There is no earlier champion in {folder} to go back to. {remedies}")
        _require_whole(version, record, folder)
        event = Event("rolled back", version, record.current, time, by, reason)
        withdrawn = {record.current: reason} if record.current else {}
        return _follow(replace(record, withdrawn={**record.withdrawn, **withdrawn}), event, folder)


def find_predecessor(record: Record, folder: Path = CHAMPIONS) -> str | None:
    """The version that was the champion before, is whole and isn't withdrawn; None if none is."""
    distrusted = {record.current, *record.withdrawn}
    trusted = (version for version in record.champions if version not in distrusted)
    return next((version for version in trusted if not find_damage(folder / version)), None)


def _require_whole(version: str, record: Record, folder: Path) -> None:
    """Refuses to go back to what isn't an earlier champion with all its bytes."""
    versions = _list_versions(folder, record)
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
    if version == record.current:
        raise InputError(f"{version} is the champion already")
    if version == record.waiting:
        raise InputError(
            f"{version} waits for a decision: {_COMMAND} promote --because REASON, or decline"
        )


def remove_old_versions(*, keep: int, folder: Path = CHAMPIONS) -> list[str]:
    """Removes versions that were replaced, but for the champion and the most recent ones.

    Returns:
        The removed versions.

    """
    with _changing(folder) as record:
        replaced = set(record.champions[keep:]) - {record.current, record.waiting}
        old = replaced.intersection(_list_versions(folder, record))
        for name in sorted(old):
            try:
                _remove(folder / name)
            except OSError as error:  # what was decided stands
                print(f"{error.filename} can't be removed: {error.strerror}", flush=True)
        return sorted(old.difference(_list_versions(folder, record)))


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
    named = filter(None, [record.current, record.waiting])
    faults = []
    for version in dict.fromkeys([*_list_versions(folder, record), *named]):
        damage = find_damage(folder / version)
        if damage and version == record.current:
            faults.append(f"The champion can't be used: {damage}. {_tell_remedies(record, folder)}")
        elif damage and version == record.waiting:
            faults.append(f"{damage}. It can't be promoted. {_WAY_BACK}")
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
    ways = []
    if version := find_predecessor(record, folder):
        ways.append(f"go back to {version}: {_COMMAND} rollback --to {version} --because REASON")
    ways += [
        f"go back to {version}, which was withdrawn ({reason}): {_COMMAND} rollback --to {version}"
        " --because REASON"
        for version, reason in record.withdrawn.items()
        if not find_damage(folder / version)
    ]
    ways.append(f"promote the candidate: {_COMMAND} promote --because REASON")
    return "You can " + "; or ".join(ways)


def _list_versions(folder: Path, record: Record) -> list[str]:
    """The folders that promotions made; whatever else lies there is somebody's.

    They hold what their name says or, if the record knows them, what is left of it.
    """
    marks = (SEAL_NAME, CARD_NAME, MODEL_NAME)
    known = {record.current, record.waiting, *(event.version for event in record.events)}
    return sorted(
        path.name
        for path in (folder.iterdir() if folder.is_dir() else ())
        if _VERSION.fullmatch(path.name)
        and any((path / mark).exists() for mark in marks)
        and (path.name in known or _is_itself(path))
    )


def _is_itself(version_folder: Path) -> bool:
    try:
        return version_of(version_folder) == version_folder.name
    except (InputError, OSError):
        return False


def _own_names(version_folder: Path) -> set[str]:
    """The files in a version's folder that a promotion wrote; none if the seal can't be read."""
    try:
        return {SEAL_NAME, *read_seal(version_folder, remedy="")}
    except InputError:
        return set()


def _remove(version_folder: Path) -> None:
    """Removes what a promotion wrote, the seal last; what somebody put beside it stays."""
    own = _own_names(version_folder)
    for path in sorted(version_folder.iterdir(), key=lambda path: path.name == SEAL_NAME):
        if path.name in own:
            remove(path)
    with suppress(OSError):
        version_folder.rmdir()


def _keep_others(version_folder: Path, target: Path) -> None:
    """Copies what somebody put into a version's folder to the one that takes its place."""
    own = _own_names(version_folder) | {path.name for path in target.iterdir()}

    def is_own(place: str, _: list[str]) -> set[str]:
        return own if Path(place) == version_folder else set()

    if version_folder.is_dir():
        shutil.copytree(version_folder, target, symlinks=True, ignore=is_own, dirs_exist_ok=True)


@contextmanager
def _changing(folder: Path) -> Iterator[Record]:
    """The record, which nobody else changes meanwhile: a person may decide while a run judges."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for old in folder.glob(f".*{_OLD}"):  # of a process that was killed
            _bring_back(old)
        yield begin_record(folder)


def _copy(files: Mapping[Path, str], version: str, record: Record, folder: Path) -> None:
    if not (folder / RECORD_NAME).exists():
        # Killed before its own record is written, this leaves versions, but no lost record.
        _write(record, folder)
    place, old = folder / version, folder / f".{version}-{time.time_ns()}{_OLD}"
    judged = {source.name: sha256 for source, sha256 in files.items()}
    if not find_damage(place) and read_seal(place, remedy="") == judged:
        return
    if place.exists():
        place.rename(old)
    try:
        with replacing(place) as target:
            target.mkdir()
            for source in files:
                shutil.copyfile(source, target / source.name)
            seal(target)
            if read_seal(target, remedy="") != judged or version_of(target) != version:
                raise InputError("The candidate changed while it was copied. Run this again")
            _keep_others(old, target)
    finally:
        _bring_back(old)


def _bring_back(old: Path) -> None:
    """Puts a version that was to be replaced in its place again, unless another is there now."""
    place = old.with_name(old.name[1:].partition("-")[0])
    if old.exists() and not place.exists():
        old.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def _follow(record: Record, event: Event, folder: Path) -> Record:
    """Writes the record of an event: its version is the champion, and no longer withdrawn."""
    following = replace(
        record,
        current=event.version,
        pending=None if record.waiting == event.version else record.pending,
        withdrawn={key: why for key, why in record.withdrawn.items() if key != event.version},
        events=(*record.events, event),
    )
    _write(following, folder)
    return following


def _write(record: Record, folder: Path) -> None:
    """Replaces the record; what is left of a damaged one is kept beside it."""
    path = folder / RECORD_NAME
    try:
        read_record(folder)
    except LostRecordError:
        with suppress(FileNotFoundError):
            os.replace(path, path.with_name(f"{RECORD_NAME}.damaged"))
    write_json(path, asdict(record))
