"""Training gives the same bytes every time, also when it was killed on the way."""

import subprocess
import sys
from pathlib import Path

import pytest

from tasks import paths
from tests.conftest import Run, environment, write_parameters

OUTPUTS = [
    paths.KERAS_MODEL,
    paths.EXPORTED_MODEL,
    paths.MODEL_CARD,
    paths.MODEL_SUMMARY,
    paths.HISTORY,
]


@pytest.fixture
def prepared(workspace: Path, run: Run, small_parameters: dict) -> Path:
    """A workspace in which training is what comes next; its recipe uses all there is."""
    small_parameters["train"] |= {"epochs": 3, "batch_size": 100, "shift": 1}
    small_parameters["train"] |= {"average_decay": 0.5, "mirror": True}
    write_parameters(workspace, small_parameters)
    for stage in ("ingest", "validate", "prepare"):
        run(f"tasks.{stage}")
    return workspace


def read_outputs(folder: Path) -> list[bytes]:
    return [(folder / path).read_bytes() for path in OUTPUTS]


def test_two_processes_give_the_same_bytes_and_print_only_what_a_person_wants(
    prepared: Path, run: Run
) -> None:
    completed = run("tasks.train")
    first = read_outputs(prepared)
    run("tasks.train")
    for path, mine, its in zip(OUTPUTS, first, read_outputs(prepared), strict=True):
        assert mine == its, path
    assert completed.stderr == ""
    lines = completed.stdout.splitlines()
    assert [line.split(":")[0] for line in lines[:3]] == [
        f"epoch {number} of at most 3" for number in (1, 2, 3)
    ]
    assert lines[3].startswith("chose epoch")
    assert len(lines) == 4


def test_a_killed_training_leaves_no_output_and_goes_on_to_the_same_bytes(
    prepared: Path, run: Run
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tasks.train"],
        cwd=prepared,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("epoch 1 of at most 3")
        process.kill()
    assert not any((prepared / path).exists() for path in OUTPUTS)
    resumed = run("tasks.train").stdout
    assert resumed.startswith("going on after epoch")
    assert "epoch 1 of" not in resumed
    found = read_outputs(prepared)
    assert "going on" not in run("tasks.train").stdout
    assert found == read_outputs(prepared)
