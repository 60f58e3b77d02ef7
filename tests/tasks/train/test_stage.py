"""Training gives the same bytes every time, also when it was killed on the way."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.core import paths
from tasks.runner.errors import InputError
from tasks.train.stage import require_memory
from tests.conftest import PROJECT, Run, environment, write_parameters

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


def test_a_network_of_ones_own_is_a_dependency_of_the_stage(
    prepared: Path, run: Run, small_parameters: dict
) -> None:
    """A change in its file trains anew, and only the file of the network that is named counts."""
    shutil.copy(PROJECT / "tests" / "tasks" / "train" / "own_networks.py", prepared / "mine.py")
    small_parameters["train"] |= {"architecture": "mine.nested", "network_file": "mine.py"}
    small_parameters["train"] |= {"epochs": 1}
    write_parameters(prepared, small_parameters)
    run("dvc", "repro", "train")
    assert "epoch 1 of" not in run("dvc", "repro", "train").stdout
    with (prepared / "mine.py").open("a") as file:
        file.write("# changed\n")
    assert "epoch 1 of at most 1" in run("dvc", "repro", "train").stdout


def test_a_gpu_that_is_not_there_ends_training_with_a_line(
    prepared: Path, run: Run, small_parameters: dict
) -> None:
    small_parameters["train"]["device"] = "gpu"
    write_parameters(prepared, small_parameters)
    completed = run("tasks.train", check=False, CUDA_VISIBLE_DEVICES="-1")
    assert completed.returncode == 1
    assert completed.stderr.startswith("train: train.device is gpu, but TensorFlow finds none.")
    assert completed.stderr.count("\n") == 1


def test_a_training_that_memory_cannot_hold_is_refused_with_what_to_lower(
    capsys: pytest.CaptureFixture[str],
) -> None:
    gibibyte = 2**30
    require_memory(4 * gibibyte, available=24 * gibibyte)
    assert capsys.readouterr().out == ""
    require_memory(20 * gibibyte, available=24 * gibibyte)
    assert "about 20.0 GiB of memory, and this machine has 24.0" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"lower train\.batch_size"):
        require_memory(48 * gibibyte, available=24 * gibibyte)
