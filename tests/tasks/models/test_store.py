"""The champion changes at once or not at all, and every change can be undone."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.models.store import (
    Event,
    Record,
    champion_folder,
    find_predecessor,
    promote,
    read_record,
    remove_old_versions,
    roll_back,
    version_of,
)
from tasks.runner.errors import InputError
from tests.conftest import PROJECT

NOON = "2026-01-01T12:00:00+00:00"


@pytest.fixture
def champions(tmp_path: Path) -> Path:
    return tmp_path / "champion"


def write_candidate(folder: Path, content: bytes) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "classifier.tflite").write_bytes(content)
    (folder / "card.json").write_text("{}")
    return [folder / "classifier.tflite", folder / "card.json"]


def promote_content(content: bytes, champions: Path) -> str:
    files = write_candidate(champions.parent / "candidate", content)
    version = version_of(files[0])
    replaced = read_record(champions).current
    promote(files, Event("promoted", version, replaced, NOON, "good"), champions)
    return version


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
    linked = champions.parent / "links" / "classifier.tflite"
    linked.parent.mkdir()
    linked.symlink_to(files[0])
    version = version_of(linked)
    event = Event("promoted", version, None, NOON, "good")
    promote([linked], event, champions)
    assert not (champions / version / "classifier.tflite").is_symlink()


def test_a_rollback_brings_back_the_champion_before_and_withdraws_the_present_one(
    champions: Path,
) -> None:
    first = promote_content(b"first", champions)
    second = promote_content(b"second", champions)
    assert find_predecessor(read_record(champions), champions) == first
    record = roll_back(first, reason="wrong on bags", time=NOON, folder=champions)
    assert record == read_record(champions)
    assert record.current == first
    assert record.withdrawn == {second: "wrong on bags"}
    assert record.events[-1] == Event("rolled back", first, second, NOON, "wrong on bags")
    with pytest.raises(InputError, match="no earlier champion"):
        find_predecessor(record, champions)


def test_what_was_withdrawn_is_no_more_when_a_person_promotes_it_again(champions: Path) -> None:
    first = promote_content(b"first", champions)
    second = promote_content(b"second", champions)
    roll_back(first, reason="wrong", time=NOON, folder=champions)
    assert promote_content(b"second", champions) == second
    assert read_record(champions).withdrawn == {}


def test_there_is_nothing_to_go_back_to_from_the_first_champion(champions: Path) -> None:
    with pytest.raises(InputError, match="no champion yet"):
        roll_back("abc", reason="?", time=NOON, folder=champions)
    first = promote_content(b"first", champions)
    with pytest.raises(InputError, match=f"the only one is {first}"):
        find_predecessor(read_record(champions), champions)
    with pytest.raises(InputError, match=f"no version abc.*Versions in .*: {first}"):
        roll_back("abc", reason="?", time=NOON, folder=champions)


@pytest.mark.parametrize("damage", ["flip", "remove"])
def test_a_damaged_champion_is_refused_with_the_remedy(champions: Path, damage: str) -> None:
    version = promote_content(b"first", champions)
    model = champions / version / "classifier.tflite"
    if damage == "flip":
        model.write_bytes(b"fIrst")
    else:
        model.unlink()
    with pytest.raises(InputError, match=r"is damaged.*flows\.champion rollback"):
        champion_folder(champions)


def test_a_damaged_champion_can_be_left(champions: Path) -> None:
    first = promote_content(b"first", champions)
    second = promote_content(b"second", champions)
    (champions / second / "classifier.tflite").write_bytes(b"?")
    roll_back(first, reason="damaged", time=NOON, folder=champions)
    assert champion_folder(champions) == champions / first


def test_a_broken_record_is_an_error_and_not_an_empty_one(champions: Path) -> None:
    promote_content(b"first", champions)
    (champions / "champion.json").write_text('{"current"')
    with pytest.raises(InputError, match=r"champion\.json can't be read"):
        read_record(champions)


def test_a_promotion_that_fails_leaves_the_champion(champions: Path) -> None:
    first = promote_content(b"first", champions)
    files = write_candidate(champions.parent / "candidate", b"second")
    version = version_of(files[0])
    files[1].unlink()
    with pytest.raises(FileNotFoundError):
        promote(files, Event("promoted", version, first, NOON, ""), champions)
    assert champion_folder(champions) == champions / first
    assert sorted(path.name for path in champions.iterdir()) == sorted([first, "champion.json"])


def test_the_champion_is_not_promoted_again(champions: Path) -> None:
    promote_content(b"first", champions)
    with pytest.raises(InputError, match="is the champion already"):
        promote_content(b"first", champions)


def test_old_versions_are_removed_but_for_the_latest(champions: Path) -> None:
    versions = [promote_content(f"{number}".encode(), champions) for number in range(5)]
    record = roll_back(versions[3], reason="wrong", time=NOON, folder=champions)
    assert remove_old_versions(record, keep=3, folder=champions) == sorted(versions[:2])
    assert champion_folder(champions) == champions / versions[3]
    assert (champions / versions[4]).is_dir()


def test_a_promotion_that_is_killed_at_any_moment_leaves_a_whole_champion(
    champions: Path,
) -> None:
    """Twenty processes promote one model after the other, and each is killed."""
    promote_content(b"first", champions)
    program = (
        "import os, sys; from pathlib import Path;"
        "from tests.tasks.test_champion import promote_content;"
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
