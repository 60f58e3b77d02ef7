"""Training gives the same bytes every time, also when it was killed on the way."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tasks.core import paths
from tasks.runner.errors import InputError
from tasks.train.stage import check_parity, has_bfloat16
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


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("avx2 avx512_bf16 fma", True), ("avx2 amx_bf16_other fma", False), ("fp asimd bf16", True)],
)
def test_the_processor_is_asked_whether_it_multiplies_bfloat16(
    tmp_path: Path, flags: str, expected: bool
) -> None:
    processors = tmp_path / "cpuinfo"
    processors.write_text(f"processor\t: 0\nflags\t\t: fpu {flags}\n")
    assert has_bfloat16(processors) is expected


def test_no_statement_of_the_processor_counts_as_no(tmp_path: Path) -> None:
    assert not has_bfloat16(tmp_path / "cpuinfo")


def test_an_exported_model_that_differs_is_refused_with_the_difference() -> None:
    probabilities = np.full((2, 4), 0.25, np.float32)
    assert check_parity(probabilities, probabilities, tolerance=1e-5) == 0
    for wrong in (probabilities + np.float32(0.1), probabilities * np.float32("nan")):
        with pytest.raises(InputError, match=r"export_tolerance"):
            check_parity(wrong, probabilities, tolerance=1e-5)


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
    lines = [
        line for line in completed.stdout.splitlines() if not line.startswith("this processor")
    ]
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
        assert any(line.startswith("epoch 1 of at most 3") for line in process.stdout)
        process.kill()
    assert not any((prepared / path).exists() for path in OUTPUTS)
    resumed = run("tasks.train").stdout
    assert "going on after epoch" in resumed
    assert "epoch 1 of" not in resumed
    found = read_outputs(prepared)
    assert "going on" not in run("tasks.train").stdout
    assert found == read_outputs(prepared)
