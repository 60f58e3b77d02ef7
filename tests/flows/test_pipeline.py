"""The whole pipeline on a small real data set, through both doors, counted by stage."""

import json
import os
import re
import time
from pathlib import Path

import pytest

from flows.parameters import FlowParameters
from flows.run import look
from tests.conftest import Run, typed, write_parameters

STAGES = ["ingest", "validate", "prepare", "train", "evaluate", "report"]


def stages_run(output: str) -> list[str]:
    return re.findall(r"Running stage '(\w+)':", output)


def outcomes(output: str) -> dict[str, str]:
    """What the flow's last line says of each stage."""
    line = output.strip().splitlines()[-1]
    return dict(part.split(" ") for part in line.split(", "))


@pytest.fixture
def limits(small_parameters: dict) -> dict:
    return small_parameters


def test_dvc_runs_six_stages_then_none_then_what_depends_on_a_change(
    workspace: Path, run: Run, limits: dict, prefect_api: str
) -> None:
    assert stages_run(run("dvc", "repro").stdout) == STAGES
    assert stages_run(run("dvc", "repro").stdout) == []
    lock = (workspace / "dvc.lock").read_bytes()
    metrics = json.loads((workspace / "reports" / "metrics.json").read_text())
    assert metrics["num_images"] == 100

    limits["train"]["seed"] += 1
    write_parameters(workspace, limits)
    plan = run("cli", "plan").stdout
    assert (
        f"parameter train.seed: {limits['train']['seed'] - 1} → {limits['train']['seed']}" in plan
    )
    assert re.findall(r"^(\w+) +would run", plan, re.MULTILINE) == ["train", "evaluate", "report"]
    assert re.findall(r"^(\w+) +is up to date", plan, re.MULTILINE) == [
        "ingest",
        "validate",
        "prepare",
    ]
    # The other door continues.
    found = outcomes(run("cli", "run", PREFECT_API_URL=prefect_api).stdout)
    assert found == dict.fromkeys(STAGES, "unchanged") | dict.fromkeys(STAGES[3:], "ran")
    assert (workspace / "dvc.lock").read_bytes() != lock

    limits["train"]["seed"] -= 1
    write_parameters(workspace, limits)
    found = outcomes(run("cli", "run", PREFECT_API_URL=prefect_api).stdout)
    assert found == dict.fromkeys(STAGES, "unchanged") | {
        "train": "restored",
        "evaluate": "restored",
        "report": "ran",  # its text lives in Git, which keeps it out of DVC's cache of runs
    }
    assert (workspace / "dvc.lock").read_bytes() == lock
    assert stages_run(run("dvc", "repro").stdout) == []

    first, second = sorted(path.parent.name for path in (workspace / "archive").glob("*/run.json"))
    told = run("cli", "compare", first, second).stdout.splitlines()
    seed = limits["train"]["seed"]
    assert told[:3] == [
        f"{first} → {second}",
        f"  train.seed: {seed + 1} → {seed}",
        "on the 100 test images of both:",
    ]
    assert len(told) == 3 + 1 + 10


def test_the_flow_gives_the_lock_that_dvc_gives(workspace: Path, run: Run) -> None:
    completed = run("cli", "run")  # and starts a server of its own
    assert outcomes(completed.stdout) == dict.fromkeys(STAGES, "ran")
    assert re.findall(r"Task run '(\w+)' - Finished in state (\w+)", completed.stderr) == [
        *((stage, "Ran") for stage in STAGES),
        ("gate", "Rejected"),  # one epoch on 400 images makes no good model
    ]
    assert re.search(r"Task run 'train' - epoch 1 of at most 1: .*loss", completed.stderr)
    by_flow = (workspace / "dvc.lock").read_bytes()
    assert run("dvc", "repro", "--force", "--no-run-cache").returncode == 0
    assert (workspace / "dvc.lock").read_bytes() == by_flow


def test_with_nothing_to_do_and_no_server_a_run_only_looks(
    workspace: Path, run: Run, limits: dict, prefect_api: str
) -> None:
    """Prefect's temporary server, which alone takes seconds, isn't started."""
    limits["gate"] |= {"min_accuracy": None, "min_recall": 0.0, "max_calibration_error": None}
    limits["flow"]["verify_hours"] = 1.0
    write_parameters(workspace, limits)
    run("cli", "repro")
    run("cli", "gate")
    told = run("cli", "run")
    assert outcomes(told.stdout) == dict.fromkeys(STAGES, "unchanged")
    assert "Finished in state" not in told.stderr
    assert not (workspace / ".prefect" / "prefect.db").exists()

    flow: FlowParameters = typed(limits).flow
    assert look(workspace, flow.model_copy(update={"push_to": "storage"})) is None
    assert look(workspace, flow.model_copy(update={"verify_hours": 0.0})) is None
    an_hour_ago = time.time() - 3601
    os.utime(workspace / ".pipeline" / "verified", (an_hour_ago, an_hour_ago))
    assert look(workspace, flow) is None
    table = workspace / "reports" / "predictions.parquet"
    rotted = bytearray(table.read_bytes())
    rotted[100] ^= 1
    kept = table.stat()
    table.write_bytes(rotted)
    os.utime(table, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    completed = run("cli", "run", check=False, PREFECT_API_URL=prefect_api)
    assert completed.returncode == 1
    assert "predictions.parquet is damaged" in completed.stderr


def test_bad_data_stops_the_pipeline_before_it_is_prepared(
    workspace: Path, run: Run, limits: dict, prefect_api: str
) -> None:
    limits["validate"]["share_tolerance"] = 0.001
    limits["data"]["train_images"] = 401
    write_parameters(workspace, limits)
    completed = run("cli", "run", check=False, PREFECT_API_URL=prefect_api)
    assert completed.returncode == 1
    assert "The stage validate has failed" in completed.stderr
    assert "AwaitingRetry" not in completed.stderr
    verdict = json.loads((workspace / "reports" / "validation.json").read_text())
    assert verdict["success"] is False
    assert not (workspace / "data" / "prepared").exists()
    by_hand = run("dvc", "repro", "--single-item", "prepare", check=False)
    assert by_hand.returncode != 0
    assert not (workspace / "data" / "prepared").exists()


def test_an_impossible_parameter_stops_the_flow_before_anything_is_touched(
    workspace: Path, run: Run, limits: dict
) -> None:
    limits["train"]["epochs"] = -3
    write_parameters(workspace, limits)
    completed = run("cli", "run", check=False)
    assert completed.returncode == 1
    assert completed.stderr.splitlines()[-1].startswith("params.yaml: train.epochs = -3")
    assert not (workspace / "data" / "raw").exists()


def test_only_the_network_is_tried_again(
    workspace: Path, run: Run, limits: dict, prefect_api: str
) -> None:
    limits["ingest"] |= {
        "path": "flows",
        "system_folder": "nowhere",
        "urls": ["http://127.0.0.1:9"],
    }
    write_parameters(workspace, limits)
    completed = run("cli", "run", check=False, PREFECT_API_URL=prefect_api)
    assert completed.returncode == 1
    assert completed.stderr.count("Running stage 'ingest'") == 1 + limits["flow"]["retries"]
