"""Work that takes long tells how far it is."""

import re

import pytest

from flows.artifacts import _PROGRESS
from tasks.runner import progress
from tasks.runner.progress import show_progress

PARTS = ["ab", "c", "def"]


def test_quick_work_tells_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(show_progress(PARTS, what="reading", total=6)) == PARTS
    assert capsys.readouterr() == ("", "")


def test_long_work_tells_what_is_done_and_the_time_that_is_left_as_the_flow_reads_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_EVERY", 0.0)
    assert list(show_progress(PARTS, what="reading", total=6_000)) == PARTS
    lines = capsys.readouterr().out.splitlines()
    assert [re.sub(r"\d+ s", "N s", line) for line in lines] == [
        f"reading: {done} of 6,000 images, N s left" for done in (2, 3, 6)
    ]
    matches = [_PROGRESS.match(line) for line in lines]
    assert [match and match.groups() for match in matches] == [
        (done, "6,000") for done in ("2", "3", "6")
    ]


def test_nothing_to_do_is_told_without_a_division_by_zero(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "_EVERY", 0.0)
    assert list(show_progress([""], what="reading", total=0)) == [""]
