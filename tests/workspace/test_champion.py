"""What a person decides in a terminal is on record, and on the overview at once."""

from pathlib import Path

import pytest

from tasks.models.store import CHAMPIONS, read_record
from tasks.runner.errors import InputError
from tests.tasks.models.test_store import promote_content, wait_with
from tests.workspace.test_compare import make_run
from workspace.archive import ARCHIVE
from workspace.champion import change, describe_champion
from workspace.overview import PAGE_NAME, write_overview


@pytest.fixture
def waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The version that waits for a decision, in a folder with an archive."""
    monkeypatch.chdir(tmp_path)
    promote_content(b"first", CHAMPIONS)
    version = wait_with(b"second", CHAMPIONS)
    make_run(ARCHIVE, "a", images=range(3), decision="pending", candidate=version)
    page = write_overview().read_text("utf-8")
    assert f"is {version} to be the champion?" in page
    assert 'href="a/verdict.md">what the gate found' in page
    return version


def test_what_is_declined_is_asked_for_no_more(waiting: str) -> None:
    assert any(f"waits     {waiting}" in line for line in describe_champion(read_record()))
    with pytest.raises(InputError, match=f"0000 doesn't wait for a decision; {waiting} does"):
        change("decline", "wrong on bags", by="ann", version="0000")
    done = change("decline", "wrong on bags", by="ann", version=waiting)
    assert done == f"**Declined**: {waiting}, by ann: wrong on bags"
    assert read_record().withdrawn == {waiting: "declined: wrong on bags"}
    last = list(describe_champion(read_record()))[-1]
    assert last.endswith(f"declined {waiting} by ann: wrong on bags")
    assert "to be the champion?" not in (ARCHIVE / PAGE_NAME).read_text("utf-8")
    with pytest.raises(InputError, match="No model waits for a decision"):
        change("decline", "wrong on bags", by="ann")


def test_a_rollback_names_who_and_why(waiting: str) -> None:
    second = promote_content(b"third", CHAMPIONS)
    done = change("rollback", "wrong on cats", by="ann")
    assert done.endswith("is the champion again")
    line = list(describe_champion(read_record()))[-1]
    assert line.endswith(f"for {second} by ann: wrong on cats")
