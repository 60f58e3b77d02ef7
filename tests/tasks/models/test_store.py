"""The champion changes at once or not at all, and every change can be undone."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tasks.core.files import sha256_of
from tasks.models.card import version_of
from tasks.models.store import (
    DecidedMeanwhileError,
    Event,
    Pending,
    Record,
    begin_record,
    champion_folder,
    decline,
    find_predecessor,
    let_wait,
    let_wait_no_longer,
    promote,
    read_record,
    remove_old_versions,
    roll_back,
    verify_store,
)
from tasks.runner.errors import InputError
from tests.conftest import PROJECT
from tests.users import NOBODY, needs_other_users

NOON = "2026-01-01T12:00:00+00:00"


@pytest.fixture
def champions(tmp_path: Path) -> Path:
    return tmp_path / "champion"


@pytest.fixture
def open_to_others() -> Iterator[None]:
    """What is made may be read by other users, whatever the umask of who runs the tests."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def write_candidate(folder: Path, content: bytes) -> dict[Path, str]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "classifier.tflite").write_bytes(content)
    (folder / "card.json").write_text('{"classes": ["cat", "dog"]}')
    return {path: sha256_of(path) for path in sorted(folder.iterdir())}


def promote_content(content: bytes, champions: Path) -> str:
    files = write_candidate(champions.parent / "candidate", content)
    version = version_of(champions.parent / "candidate")
    replaced = read_record(champions).current
    promote(Event("promoted", version, replaced, NOON, "gate", "good"), files, champions)
    return version


def back(version: str | None, champions: Path, reason: str = "wrong") -> Record:
    return roll_back(version, reason=reason, by="ann", time=NOON, folder=champions)


def test_there_is_no_champion_before_the_first_promotion(champions: Path) -> None:
    assert read_record(champions) == Record()
    assert champion_folder(champions) is None


def test_a_promotion_copies_what_retraining_will_overwrite(champions: Path) -> None:
    version = promote_content(b"first", champions)
    write_candidate(champions.parent / "candidate", b"second")
    assert champion_folder(champions) == champions / version
    assert (champions / version / "classifier.tflite").read_bytes() == b"first"


def test_a_candidate_that_is_a_link_into_the_cache_is_copied_as_a_file(champions: Path) -> None:
    files = write_candidate(champions.parent / "candidate", b"first")
    links = champions.parent / "links"
    links.mkdir()
    for file in files:
        (links / file.name).symlink_to(file)
    version = version_of(links)
    event = Event("promoted", version, None, NOON, "gate", "good")
    promote(event, {path: sha256_of(path) for path in links.iterdir()}, champions)
    assert not (champions / version / "classifier.tflite").is_symlink()


def test_a_rollback_brings_back_the_champion_before_and_withdraws_the_present_one(
    champions: Path,
) -> None:
    first = promote_content(b"first", champions)
    second = promote_content(b"second", champions)
    assert find_predecessor(read_record(champions), champions) == first
    record = back(first, champions, "wrong on bags")
    assert record == read_record(champions)
    assert record.current == first
    assert record.withdrawn == {second: "wrong on bags"}
    assert record.events[-1] == Event("rolled back", first, second, NOON, "ann", "wrong on bags")
    with pytest.raises(InputError, match="no earlier champion"):
        back(None, champions)


def test_what_was_withdrawn_is_no_more_when_a_person_promotes_it_again(champions: Path) -> None:
    first = promote_content(b"first", champions)
    second = promote_content(b"second", champions)
    back(first, champions, "wrong")
    assert promote_content(b"second", champions) == second
    assert read_record(champions).withdrawn == {}


def test_there_is_nothing_to_go_back_to_from_the_first_champion(champions: Path) -> None:
    with pytest.raises(InputError, match="The first champion: pipeline gate"):
        back("abc", champions, "?")
    first = promote_content(b"first", champions)
    with pytest.raises(InputError, match=r"no earlier champion.*promote the candidate"):
        back(None, champions)
    with pytest.raises(InputError, match=f"no version abc.*Versions in .*: {first}"):
        back("abc", champions, "?")


@pytest.mark.parametrize("damage", ["flip", "remove"])
def test_a_damaged_champion_is_refused_with_the_remedy(champions: Path, damage: str) -> None:
    version = promote_content(b"first", champions)
    model = champions / version / "classifier.tflite"
    if damage == "flip":
        model.write_bytes(b"fIrst")
    else:
        model.unlink()
    with pytest.raises(InputError, match=r"is damaged.*promote the candidate: pipeline champion"):
        champion_folder(champions)
    with pytest.raises(InputError, match=r"is damaged.*promote the candidate: pipeline champion"):
        verify_store(champions)
    assert promote_content(b"first", champions) == version
    assert champion_folder(champions) == champions / version
    verify_store(champions)


def test_a_damaged_champion_can_be_left(champions: Path) -> None:
    first = promote_content(b"first", champions)
    second = promote_content(b"second", champions)
    (champions / second / "classifier.tflite").write_bytes(b"?")
    back(first, champions, "damaged")
    assert champion_folder(champions) == champions / first


def test_a_broken_record_is_an_error_and_not_an_empty_one(champions: Path) -> None:
    promote_content(b"first", champions)
    (champions / "champion.json").write_text('{"current"')
    with pytest.raises(InputError, match=r"champion\.json can't be read"):
        read_record(champions)
    with pytest.raises(InputError, match=r"champion\.json can't be read"):
        verify_store(champions)


def test_a_promotion_that_fails_leaves_the_champion(champions: Path) -> None:
    first = promote_content(b"first", champions)
    files = write_candidate(champions.parent / "candidate", b"second")
    version = version_of(champions.parent / "candidate")
    files[champions.parent / "candidate" / "reference.json"] = ""
    with pytest.raises(FileNotFoundError):
        promote(Event("promoted", version, first, NOON, "gate", ""), files, champions)
    assert champion_folder(champions) == champions / first
    assert sorted(path.name for path in champions.iterdir()) == sorted(
        [".lock", first, "champion.json"]
    )


def test_what_changed_since_it_was_judged_is_not_promoted(champions: Path) -> None:
    """Neither the model nor any other file, and neither at once nor to wait."""
    candidate = champions.parent / "candidate"
    write_candidate(candidate, b"first")
    (candidate / "predictions.parquet").write_bytes(b"judged")
    files = write_candidate(candidate, b"first")
    version = version_of(candidate)
    event = Event("promoted", version, None, NOON, "gate", "good")
    for changed in files:
        write_candidate(candidate, b"first")
        changed.write_bytes(changed.read_bytes() + b" ")
        with pytest.raises(InputError, match="changed while it was copied"):
            promote(event, files, champions)
        with pytest.raises(InputError, match="changed while it was copied"):
            let_wait(Pending(version, NOON, "good"), files, folder=champions)
        changed.write_bytes(changed.read_bytes()[:-1])
    assert read_record(champions) == Record()
    assert not (champions / version).exists()
    assert promote(event, files, champions).current == version


def test_the_champion_is_not_promoted_again(champions: Path) -> None:
    promote_content(b"first", champions)
    with pytest.raises(InputError, match="is the champion already"):
        promote_content(b"first", champions)


def test_old_versions_are_removed_but_for_the_latest(champions: Path) -> None:
    versions = [promote_content(f"{number}".encode(), champions) for number in range(5)]
    back(versions[3], champions, "wrong")
    assert remove_old_versions(keep=3, folder=champions) == sorted(versions[:2])
    assert champion_folder(champions) == champions / versions[3]
    assert (champions / versions[4]).is_dir()


def test_a_promotion_that_is_killed_at_any_moment_leaves_a_whole_champion(
    champions: Path,
) -> None:
    """Twenty processes promote one model after the other, and each is killed."""
    promote_content(b"first", champions)
    program = (
        "import os, sys; from pathlib import Path;"
        "from tests.tasks.models.test_store import promote_content;"
        "[print(promote_content(b'%d %d' % (os.getpid(), n), Path(sys.argv[1])), flush=True)"
        " for n in range(1000)]"
    )
    generator = random.Random(0)
    seen = set()
    for _ in range(20):
        with subprocess.Popen(
            [sys.executable, "-c", program, str(champions)], cwd=PROJECT, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline()
            time.sleep(generator.uniform(0, 0.02))
            os.kill(process.pid, signal.SIGKILL)
        folder = champion_folder(champions)
        assert folder is not None
        seen.add(folder.name)
    assert len(seen) > 1


def test_a_champion_that_is_gone_is_left_by_each_way_that_the_message_names(
    champions: Path,
) -> None:
    first, second, third = (
        promote_content(content, champions) for content in (b"first", b"second", b"third")
    )
    back(second, champions, "wrong on bags")
    shutil.rmtree(champions / second)
    with pytest.raises(InputError) as raised:
        champion_folder(champions)
    message = str(raised.value)
    assert f"{champions / second} is missing" in message
    assert f"rollback --to {first} --because REASON" in message
    assert f"go back to {third}, which was withdrawn (wrong on bags)" in message
    for version in (first, third):
        copied = champions.parent / f"copy {version}"
        shutil.copytree(champions, copied)
        back(version, copied, "it is gone")
        assert champion_folder(copied) == copied / version
        verify_store(copied)
    promote_content(b"fourth", champions)
    verify_store(champions)


def test_the_way_back_passes_over_a_damaged_version(champions: Path) -> None:
    first, second, _ = (
        promote_content(content, champions) for content in (b"first", b"second", b"third")
    )
    (champions / second / "card.json").write_text("?")
    assert find_predecessor(read_record(champions), champions) == first
    with pytest.raises(InputError, match=rf"is damaged.*Go back to another: .*{first}"):
        back(second, champions, "?")
    with pytest.raises(InputError, match=f"Nobody can go back to it: rm -r {champions / second}"):
        verify_store(champions)
    shutil.rmtree(champions / second)
    verify_store(champions)


@pytest.mark.parametrize("record", [None, '{"current"', "<<<<<<< HEAD"])
def test_a_lost_record_begins_anew_with_a_version_that_a_person_names(
    champions: Path, record: str | None
) -> None:
    """Nothing is removed, and what may have been withdrawn isn't trusted."""
    versions = [promote_content(content, champions) for content in (b"first", b"second")]
    path = champions / "champion.json"
    path.unlink()
    if record is not None:
        path.write_text(record)
    with pytest.raises(InputError, match=r"rollback --to VERSION --because REASON"):
        champion_folder(champions)
    found = back(versions[0], champions, "it was in use")
    assert found.current == versions[0]
    assert "record of champions was lost" in found.withdrawn[versions[1]]
    verify_store(champions)
    assert path.with_name("champion.json.damaged").exists() == (record is not None)
    assert remove_old_versions(keep=2, folder=champions) == []
    assert (champions / versions[1]).is_dir()


def test_a_lost_record_begins_anew_with_the_candidate(champions: Path) -> None:
    first = promote_content(b"first", champions)
    (champions / "champion.json").unlink()
    files = write_candidate(champions.parent / "candidate", b"second")
    version = version_of(champions.parent / "candidate")
    event = Event("overridden", version, None, NOON, "ann", "now")
    record = promote(event, files, champions)
    assert (record.current, list(record.withdrawn)) == (version, [first])
    assert remove_old_versions(keep=2, folder=champions) == []


@needs_other_users
@pytest.mark.usefixtures("open_to_others")
def test_a_record_that_this_user_may_not_read_is_not_a_lost_one() -> None:
    """Nobody begins another in its place, and the message names what helps."""
    with TemporaryDirectory() as temporary:
        champions = Path(temporary) / "champions"
        version = promote_content(b"first", champions)
        Path(temporary).chmod(0o777)
        (champions / "champion.json").chmod(0o600)
        os.seteuid(NOBODY)
        try:
            with pytest.raises(InputError, match=r"may not be read .* chmod a\+r .*champion\.json"):
                begin_record(champions)
        finally:
            os.seteuid(0)
        assert read_record(champions).current == version


def test_a_record_on_a_disk_that_fails_is_not_a_lost_one(champions: Path) -> None:
    """Reading a folder fails as an operation of the system does, not as a damaged file."""
    version = promote_content(b"first", champions)
    record = champions / "champion.json"
    kept = record.rename(champions / ".elsewhere")
    record.mkdir()
    with pytest.raises(InputError, match=r"can't be read now .*Mend that first"):
        back(version, champions)
    assert record.is_dir()
    record.rmdir()
    kept.rename(record)
    assert read_record(champions).current == version


def test_a_refused_rollback_leaves_a_damaged_record_as_it_is(champions: Path) -> None:
    promote_content(b"first", champions)
    record = champions / "champion.json"
    record.write_text("<<<<<<< HEAD")
    with pytest.raises(InputError, match=r"no earlier champion.*which was withdrawn \(the record"):
        back(None, champions)
    assert record.read_text() == "<<<<<<< HEAD"


def test_a_version_that_no_event_replaced_is_not_removed(champions: Path) -> None:
    for number in range(4):
        promote_content(f"{number}".encode(), champions)
    write_candidate(champions / "mine", b"mine")
    removed = remove_old_versions(keep=2, folder=champions)
    assert len(removed) == 2
    assert (champions / "mine").is_dir()


def test_a_first_promotion_that_was_killed_before_its_record_is_no_lost_record(
    champions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tasks.models.store._follow", die)
    with pytest.raises(KeyboardInterrupt):
        promote_content(b"first", champions)
    monkeypatch.undo()
    assert champion_folder(champions) is None
    assert promote_content(b"first", champions) == read_record(champions).current


@pytest.mark.parametrize("decision", ["approved", "declined", "another"])
def test_nothing_waits_on_which_somebody_has_decided_since_it_was_judged(
    champions: Path, decision: str
) -> None:
    first = promote_content(b"first", champions)
    version = wait_with(b"second", champions)
    if decision == "approved":
        approve(version, champions)
    elif decision == "declined":
        decline(Event("declined", version, None, NOON, "ann", "no"), champions)
    else:
        promote_content(b"third", champions)
    before = read_record(champions)
    files = write_candidate(champions.parent / "candidate", b"second")
    with pytest.raises(DecidedMeanwhileError, match=r"meanwhile.*pipeline gate"):
        let_wait(Pending(version, NOON, "good", first), files, folder=champions)
    assert read_record(champions) == before


def test_a_copy_under_another_name_is_no_version(champions: Path) -> None:
    version = promote_content(b"first", champions)
    (champions / version).rename(champions / ("0" * 12))
    with pytest.raises(InputError, match=r"There is no version 000000000000\."):
        back("0" * 12, champions, "?")
    (champions / ("0" * 12)).rename(champions / version)
    shutil.copytree(champions / version, champions / "202601011200")  # a person's backup
    verify_store(champions)
    (champions / "champion.json").unlink()
    assert begin_record(champions).withdrawn.keys() == {version}


@pytest.mark.parametrize("name", ["notes", "202601011200", "abc"])
def test_a_persons_folder_beside_the_champions_is_none_of_them(champions: Path, name: str) -> None:
    """Alone it is no lost record, and with versions it is neither damaged nor one to go back to."""
    notes = champions / name / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    assert read_record(champions) == Record()
    for number in range(3):
        promote_content(b"%d" % number, champions)
    shutil.copytree(champions / str(read_record(champions).current), champions / "backup")
    (champions / "backup" / "card.json").write_text("?")
    remove_old_versions(keep=2, folder=champions)
    verify_store(champions)
    with pytest.raises(InputError, match=f"There is no version {name}") as refused:
        back(name, champions)
    assert f"{name}," not in str(refused.value)
    (champions / "champion.json").unlink()
    assert begin_record(champions).withdrawn.keys().isdisjoint({name, "backup"})
    assert notes.read_text() == "mine"


def test_what_a_person_put_into_a_versions_folder_outlives_it(champions: Path) -> None:
    """Whether it is replaced, because it is judged again or damaged, or removed."""
    old = promote_content(b"old", champions)
    version = wait_with(b"first", champions)
    for folder in (champions / old, champions / version):
        (folder / "mine").mkdir()
        (folder / "mine" / "card.json").write_text("mine")
    wait_with(b"first", champions)
    assert approve(version, champions).current == version
    (champions / version / "SHA256SUMS").write_text("?")
    promote_content(b"first", champions)
    verify_store(champions)
    assert remove_old_versions(keep=1, folder=champions) == [old]
    verify_store(champions)
    assert [path.name for path in (champions / old).iterdir()] == ["mine"]
    assert (champions / version / "mine" / "card.json").read_text() == "mine"
    third = wait_with(b"third", champions)
    (champions / third / "mine").touch()
    decline(Event("declined", third, None, NOON, "ann", "no"), champions)
    assert [path.name for path in (champions / third).iterdir()] == ["mine"]
    verify_store(champions)


def test_what_waits_and_is_whole_is_not_written_again(champions: Path) -> None:
    version = wait_with(b"first", champions)
    before = (champions / version).stat().st_ino
    assert wait_with(b"first", champions) == version
    assert (champions / version).stat().st_ino == before


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_version_that_was_being_replaced_when_the_process_was_killed_is_there(
    champions: Path, is_replaced: bool
) -> None:
    version = wait_with(b"first", champions)
    (champions / version / "notes.txt").write_text("mine")
    old = champions / f".{version}-1.old"
    if is_replaced:
        shutil.copytree(champions / version, old)
    else:
        (champions / version).rename(old)
    assert approve(version, champions).current == version
    assert (champions / version / "notes.txt").read_text() == "mine"
    assert not old.exists()
    verify_store(champions)


@needs_other_users
@pytest.mark.usefixtures("open_to_others")
def test_a_promotion_stands_where_an_old_version_can_not_be_removed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its folder is root's, as after a backup was brought back."""
    with TemporaryDirectory() as temporary:
        champions = Path(temporary) / "champions"
        first = promote_content(b"first", champions)
        second = promote_content(b"second", champions)
        for path, mode in (
            (champions.parent, 0o777),
            (champions, 0o777),
            (champions / ".lock", 0o666),
        ):
            path.chmod(mode)
        os.seteuid(NOBODY)
        try:
            assert remove_old_versions(keep=1, folder=champions) == []
        finally:
            os.seteuid(0)
        assert f"{first}/card.json can't be removed: Permission denied" in capsys.readouterr().out
        assert read_record(champions).current == second
        assert remove_old_versions(keep=1, folder=champions) == [first]


def wait_with(content: bytes, champions: Path, time: str = NOON) -> str:
    files = write_candidate(champions.parent / "candidate", content)
    version = version_of(champions.parent / "candidate")
    champion = read_record(champions).current
    let_wait(Pending(version, time, "accepted: good", champion), files, folder=champions)
    return version


def approve(version: str, champions: Path) -> Record:
    current = read_record(champions).current
    return promote(Event("promoted", version, current, NOON, "ann", "yes"), None, champions)


def test_what_waits_is_kept_whole_whatever_is_trained_meanwhile(champions: Path) -> None:
    first = promote_content(b"first", champions)
    version = wait_with(b"second", champions)
    write_candidate(champions.parent / "candidate", b"third")
    assert champion_folder(champions) == champions / first
    verify_store(champions)
    record = approve(version, champions)
    assert (record.current, record.pending) == (version, None)
    assert champion_folder(champions) == champions / version
    assert find_predecessor(read_record(champions), champions) == first


@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_newer_one_waits_instead_of_an_older_one_which_is_removed(
    champions: Path, is_damaged: bool
) -> None:
    first = promote_content(b"first", champions)
    older = wait_with(b"second", champions)
    if is_damaged:
        (champions / older / "classifier.tflite").write_bytes(b"?")
    newer = wait_with(b"third", champions)
    pending = read_record(champions).pending
    assert pending is not None
    assert pending.version == newer
    assert not (champions / older).exists()
    assert wait_with(b"first", champions) == first  # a former champion, trained again
    wait_with(b"third", champions)
    assert (champions / first).is_dir()


def test_the_same_model_judged_again_waits_since_the_first_time(champions: Path) -> None:
    wait_with(b"first", champions, NOON)
    wait_with(b"first", champions, "2026-01-02T12:00:00+00:00")
    pending = read_record(champions).pending
    assert pending is not None
    assert pending.time == NOON


def test_what_is_declined_is_gone_and_no_gate_accepts_it_again(champions: Path) -> None:
    version = wait_with(b"first", champions)
    with pytest.raises(InputError, match=f"another doesn't wait for a decision; {version} does"):
        decline(Event("declined", "another", None, NOON, "ann", "no"), champions)
    assert read_record(champions).pending is not None
    event = Event("declined", version, None, NOON, "ann", "wrong on bags")
    decline(event, champions)
    withdrawn = {version: "declined: wrong on bags"}
    assert read_record(champions) == Record(withdrawn=withdrawn, events=(event,))
    assert not (champions / version).exists()
    with pytest.raises(InputError, match="none does"):
        decline(event, champions)


def test_what_was_declined_counts_neither_as_a_champion_nor_among_those_to_go_back_to(
    champions: Path,
) -> None:
    first = promote_content(b"first", champions)
    promote_content(b"second", champions)
    for content in (b"third", b"fourth"):
        version = wait_with(content, champions)
        decline(Event("declined", version, None, NOON, "ann", "no"), champions)
    assert find_predecessor(read_record(champions), champions) == first
    assert remove_old_versions(keep=2, folder=champions) == []


def test_what_the_gate_rejects_waits_no_longer_and_may_be_accepted_later(champions: Path) -> None:
    let_wait_no_longer("another", champions)
    assert not champions.exists()
    version = wait_with(b"first", champions)
    let_wait_no_longer("another", champions)
    assert read_record(champions).waiting == version
    let_wait_no_longer(version, champions)
    assert read_record(champions) == Record()
    assert not (champions / version).exists()


def test_a_rollback_leaves_what_waits(champions: Path) -> None:
    first = promote_content(b"first", champions)
    promote_content(b"second", champions)
    version = wait_with(b"third", champions)
    back(first, champions)
    assert remove_old_versions(keep=2, folder=champions) == []
    assert approve(version, champions).current == version


def test_what_waits_is_no_version_to_go_back_to(champions: Path) -> None:
    promote_content(b"first", champions)
    version = wait_with(b"second", champions)
    with pytest.raises(InputError, match="no earlier champion"):
        back(None, champions)
    with pytest.raises(InputError, match=f"{version} waits for a decision.*promote"):
        back(version, champions)
    assert approve(version, champions).current == version


def test_damage_to_what_waits_is_found_and_mended_by_the_gate(champions: Path) -> None:
    version = wait_with(b"first", champions)
    (champions / version / "classifier.tflite").write_bytes(b"?")
    with pytest.raises(InputError, match=r"can't be promoted.*pipeline gate"):
        verify_store(champions)
    with pytest.raises(InputError, match=r"is damaged.*pipeline gate"):
        approve(version, champions)
    wait_with(b"first", champions)
    assert approve(version, champions).current == version


def test_damage_to_what_waits_is_no_dead_end_where_the_candidate_is_another(
    champions: Path,
) -> None:
    version = wait_with(b"first", champions)
    (champions / version / "classifier.tflite").write_bytes(b"?")
    with pytest.raises(InputError, match="decline --because"):
        verify_store(champions)
    decline(Event("declined", version, None, NOON, "ann", "damaged"), champions)
    verify_store(champions)


def test_a_decision_on_a_champion_that_has_changed_meanwhile_is_refused(champions: Path) -> None:
    first = promote_content(b"first", champions)
    promote_content(b"second", champions)
    files = write_candidate(champions.parent / "candidate", b"third")
    event = Event(
        "promoted", version_of(champions.parent / "candidate"), first, NOON, "gate", "good"
    )
    with pytest.raises(InputError, match=r"changed meanwhile.*pipeline gate"):
        promote(event, files, champions)
