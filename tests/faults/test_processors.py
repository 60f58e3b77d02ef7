"""Processors of other makers and ages, emulated: every file of every stage has the same bytes."""

import shutil
from pathlib import Path

import pytest

from benchmarks.processors import EMULATOR, PROCESSORS, make_start, render_table, run_on

pytestmark = [
    pytest.mark.faults("another processor (Intel's or AMD's, emulated)", "same bytes"),
    pytest.mark.long,
    pytest.mark.skipif(
        shutil.which(EMULATOR) is None, reason=f"{EMULATOR} isn't installed (qemu-user)"
    ),
]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_start(tmp_path_factory.mktemp("processors") / "start")


@pytest.fixture(scope="module")
def here(start: Path) -> dict[str, str]:
    return run_on(start, start.parent / "here", None)


@pytest.mark.parametrize("processor", PROCESSORS)
def test_an_emulated_processor_gives_the_same_bytes(
    start: Path, here: dict[str, str], processor: str
) -> None:
    found = run_on(start, start.parent / processor, processor)
    print(render_table(here, {processor: found}))
    assert found == here
