"""A sweep on a real workspace: kills, rungs, adoption; the same results whatever is killed."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import psutil
import pytest

from tasks.core import paths
from tasks.propose.sections import Commented, replace_sections
from tasks.runner.lock import LOCK_FOLDER, hold_run
from tasks.runner.parts import SCHEDULER_VARIABLE
from tasks.sweep.results import PICTURE, SUMMARY, TABLE
from tests.cluster.rig import cluster_of
from tests.conftest import PARAMETERS, environment, make_workspace, read_small_parameters

RATES = [0.03, 0.0003]
PATIENCE = 300.0  # seconds


def make(root: Path, *, epochs: int, first_rung: int | None) -> Path:
    """A workspace with a sweep over the learning rate."""
    parameters = read_small_parameters()
    parameters["train"] |= {"architecture": "light", "epochs": epochs, "batch_size": 100}
    parameters["train"]["threads"] = 1
    parameters["sweep"] |= {"search": {"train.learning_rate": RATES}, "trials": None, "seeds": [0]}
    parameters["sweep"] |= {"first_rung": first_rung, "seed": 1}  # the better rate comes first
    make_workspace(root, parameters)
    values = {
        name: {key: (value, "") for key, value in section.items()}
        for name, section in parameters.items()
    }
    text = replace_sections(PARAMETERS.read_text("utf-8"), whole={}, values=values)
    (root / "params.yaml").write_text(text, "utf-8")  # with its comments
    return root


def start(root: Path, *arguments: str, cores: int = 2) -> subprocess.Popen[str]:
    """Starts `pipeline sweep` on so many of the cores."""
    own = ",".join(map(str, sorted(os.sched_getaffinity(0))[:cores]))
    return subprocess.Popen(
        ["taskset", "-c", own, sys.executable, "-m", "cli", "sweep", *arguments],
        cwd=root,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    return output


def run_flow(root: Path, prefect_api: str, *, scheduler: str) -> str:
    """Runs what the deployment `sweep/search` runs, with a cluster that params.yaml names."""
    path = root / "params.yaml"
    named: dict[str, Commented] = {"flow": {"scheduler": (scheduler, "")}}
    path.write_text(replace_sections(path.read_text("utf-8"), whole={}, values=named), "utf-8")
    variables = environment() | {"PREFECT_API_URL": prefect_api}
    variables.pop(SCHEDULER_VARIABLE, None)
    return subprocess.run(
        [sys.executable, "-c", "from flows.sweep import sweep; sweep()"],
        cwd=root,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    ).stdout


def dvc(root: Path, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=root,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def await_true(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def logs(root: Path) -> list[Path]:
    return sorted(root.glob("sweeps/*/trials/*/*/training.log"))


def has_epoch(log: Path) -> bool:
    return "\nepoch 1 of " in log.read_text("utf-8")


def trainers(root: Path) -> list[psutil.Process]:
    """The processes that train in a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if "tasks.train" in process.cmdline() and Path(process.cwd()).is_relative_to(root):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep without rungs, one of whose processes was killed after an epoch."""
    root = make(tmp_path_factory.mktemp("searched") / "workspace", epochs=40, first_rung=None)
    process = start(root)
    await_true(lambda: any(map(has_epoch, logs(root))))
    (trainer,) = trainers(next(log for log in logs(root) if has_epoch(log)).parent)
    trainer.kill()
    finish(process)
    return root


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep with rungs, one training at a time."""
    root = make(tmp_path_factory.mktemp("judged") / "workspace", epochs=4, first_rung=2)
    finish(start(root, cores=1))
    return root


def test_a_killed_process_costs_one_more_and_goes_on_after_its_last_epoch(searched: Path) -> None:
    table = pd.read_csv(searched / TABLE)
    assert sorted(table["train.learning_rate"]) == sorted(RATES)
    assert set(table["state"]) == {"complete"}
    assert set(table["epochs"]) == {40}
    assert table["processes"].sum() == len(RATES) + 1
    told = "".join(log.read_text("utf-8") for log in logs(searched))
    assert told.count("going on after epoch ") == 1
    assert told.count("\nepoch 1 of at most 40") == len(RATES)


def test_the_table_is_there_for_dvc_and_people(searched: Path) -> None:
    (here,) = json.loads(dvc(searched, "metrics", "show", "--json")).values()
    summary = here["data"][str(SUMMARY)]["data"]
    assert summary["trials"] == {"complete": len(RATES)}
    assert summary["values"]["train.learning_rate"] in RATES
    assert summary["lead"] >= 0
    assert (searched / PICTURE).read_bytes().startswith(b"\x89PNG")


def test_no_trial_can_open_the_test_images(searched: Path) -> None:
    hidden = {file.stat().st_ino for file in (searched / paths.RAW).glob("test_*")}
    hidden |= {file.stat().st_ino for file in (searched / "data" / "source").rglob("*")}
    assert len(hidden) > 2
    for file in (searched / "sweeps").rglob("*"):
        assert not file.is_symlink()
        assert file.stat().st_ino not in hidden, file
        assert not file.name.startswith("test_"), file
    completed = subprocess.run(
        [sys.executable, "-c", "from tasks.core.dataset import load_split; load_split('test')"],
        cwd=logs(searched)[0].parent,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "test_images.npy is damaged: its SHA-256 is no file" in completed.stderr


def test_adoption_trains_nothing_and_gives_the_bytes_that_the_trial_gave(searched: Path) -> None:
    path = searched / "params.yaml"
    before = path.read_text("utf-8").splitlines()
    assert "pipeline repro" in finish(start(searched, "adopt"))
    after = path.read_text("utf-8").splitlines()
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    rate = pd.read_json(searched / SUMMARY, typ="series")["values"]["train.learning_rate"]
    assert changed == [f"  learning_rate: {rate} # the highest of the schedule"]
    told = dvc(searched, "repro", "train")
    assert "Stage 'train' is cached - skipping run" in told
    assert "epoch" not in told
    winner = pd.read_json(searched / SUMMARY, typ="series")["winner"]
    (place,) = (searched / "sweeps").glob(f"*/trials/{winner:04}/seed-0")
    outputs = [*(place / paths.CANDIDATE).iterdir(), place / paths.HISTORY]
    for output in [*outputs, place / paths.TRAINING_METRICS]:
        assert (searched / output.relative_to(place)).read_bytes() == output.read_bytes()


def test_neither_a_cluster_nor_a_killed_client_change_what_is_found(
    judged: Path, tmp_path: Path, prefect_api: str
) -> None:
    """The second client is the deployment's flow, with the cluster that params.yaml names."""
    root = make(tmp_path / "workspace", epochs=4, first_rung=2)
    output, _ = start(root, "adopt").communicate(timeout=PATIENCE)
    assert output.endswith("Search: pipeline sweep\n")
    with cluster_of(tmp_path / "cluster", workers=2) as cluster:
        client = start(root)
        await_true(lambda: any(map(has_epoch, logs(root))))
        client.kill()
        client.communicate()
        unknown = run_flow(root, prefect_api, scheduler="tcp://127.0.0.1:1")
        assert re.search("No scheduler answers at .*127.0.0.1:1", unknown)
        assert "best: trial" in run_flow(root, prefect_api, scheduler=cluster.address)
    found, expected = (
        pd.read_csv(folder / TABLE).drop(columns="processes") for folder in (root, judged)
    )
    pd.testing.assert_frame_equal(found, expected)
    assert (root / SUMMARY).read_bytes() == (judged / SUMMARY).read_bytes()
    finish(start(root, "adopt"))


def test_a_trial_that_a_rung_has_ended_can_be_gone_on_with(judged: Path) -> None:
    table = pd.read_csv(judged / TABLE).set_index("trial")
    assert table.groupby("state")["epochs"].unique().explode().to_dict() == {
        "complete": 4,
        "pruned": 2,
    }
    (number, *_) = table.index[table["state"] == "pruned"]
    finish(start(judged, "adopt", str(number)))
    assert "going on after epoch " in logs(judged)[number].read_text("utf-8")
    rate = f"  learning_rate: {table.loc[number, 'train.learning_rate']} #"
    assert rate in (judged / "params.yaml").read_text("utf-8")


def test_a_sweep_begins_on_images_that_nobody_changes_and_leaves_what_is_not_its_own(
    judged: Path,
) -> None:
    own = judged / SUMMARY.parent / "notes.txt"
    own.write_text("mine")
    with hold_run("a run of the pipeline", judged / LOCK_FOLDER):
        output, _ = start(judged).communicate(timeout=PATIENCE)
    assert "in use by a run of the pipeline" in output
    finish(start(judged))
    assert own.read_text() == "mine"
