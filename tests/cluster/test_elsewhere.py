"""A stage runs on another machine, and the workspace that asked restores what it gave."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.runner.errors import InputError
from tasks.runner.parts import SCHEDULER_VARIABLE
from tests.cluster.rig import Cluster, cluster_of
from tests.conftest import Run, write_parameters
from tests.faults.rig import Reference
from workspace.elsewhere import Request, run_stage


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster_of(tmp_path_factory.mktemp("cluster"), workers=0) as cluster:
        # As on most machines; what Python compiles there is no part of the code's hash.
        cluster.start_worker("--resources", "gpu=1", PYTHONDONTWRITEBYTECODE="")
        cluster.wait_for_workers(1)
        yield cluster


def ask_for(label: str, workspace: Path, parameters: dict, **changes: object) -> None:
    """Has `train` run on a worker with a label."""
    elsewhere = parameters["flow"] | {"elsewhere": {"train": {label: 1}}}
    train = parameters["train"] | changes
    write_parameters(workspace, parameters | {"flow": elsewhere, "train": train})


def outcomes(workspace: Path) -> dict[str, str]:
    last = max((workspace / "archive").glob("*/run.json"))
    return json.loads(last.read_text("utf-8"))["outcomes"]


def test_a_stage_that_ran_elsewhere_leaves_the_record_and_the_bytes_of_one_that_ran_here(
    cluster: Cluster, workspace: Path, run: Run, small_parameters: dict, reference: Reference
) -> None:
    ask_for("gpu", workspace, small_parameters)
    output = run("cli", "repro").stdout
    assert "train runs on a worker with gpu" in output
    assert "epoch 1 of at most 1" in output
    assert outcomes(workspace)["train"] == "restored"
    assert outcomes(workspace)["evaluate"] == "ran"
    expected = reference.root / "dvc.lock"
    assert (workspace / "dvc.lock").read_text("utf-8") == expected.read_text("utf-8")
    assert run("cli", "repro").stdout.count("runs on a worker") == 0


def test_what_stops_a_stage_there_is_told_here(
    cluster: Cluster, workspace: Path, run: Run, small_parameters: dict
) -> None:
    own = {"architecture": "own.network", "network_file": "own.py"}
    (workspace / "own.py").write_text("def network(pixels):\n    raise ValueError('too small')\n")
    ask_for("gpu", workspace, small_parameters, **own)
    failed = run("cli", "repro", check=False)
    assert failed.returncode == 1
    assert "The network own.network can't be built" in failed.stderr
    assert "too small. Name another one in train.architecture" in failed.stderr
    ask_for("cow", workspace, small_parameters)
    failed = run("cli", "repro", check=False)
    assert "No worker has cow=1; there are the labels gpu=1" in failed.stderr


def test_without_a_cluster_a_stage_that_is_to_run_elsewhere_does_not_run(
    workspace: Path, run: Run, small_parameters: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SCHEDULER_VARIABLE, raising=False)
    ask_for("gpu", workspace, small_parameters)
    failed = run("cli", "repro", check=False)
    assert failed.returncode == 1
    assert f"there is no cluster. Name its scheduler: {SCHEDULER_VARIABLE}=" in failed.stderr


def test_a_stage_that_reads_what_only_this_machine_has_stays_here(
    workspace: Path, run: Run, small_parameters: dict
) -> None:
    elsewhere = small_parameters["flow"] | {"elsewhere": {"ingest": {"gpu": 1}}}
    write_parameters(workspace, small_parameters | {"flow": elsewhere})
    failed = run("cli", "repro", check=False)
    assert "ingest, which reads data/source: only this machine has that" in failed.stderr
    write_parameters(workspace, small_parameters)
    run("cli", "repro")


def test_a_worker_that_does_not_see_the_cache_says_so(tmp_path: Path) -> None:
    request = Request("train", tmp_path / "nowhere", (), {})
    with pytest.raises(InputError, match=r"doesn't see DVC's cache, .*nowhere.*dvc cache dir PATH"):
        run_stage(request)
