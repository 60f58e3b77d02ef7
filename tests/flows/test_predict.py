"""The flow of prediction warns where people look, and its deployment names what is there."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from prefect.utilities.importtools import import_object
from ruamel.yaml import YAML

from flows.parameters import name_scheduler
from flows.predict import predict
from tasks.runner.parts import SCHEDULER_VARIABLE
from tests.conftest import PROJECT, Run
from tests.tasks.predict.conftest import MODEL


def test_drift_and_broken_images_are_states_and_warnings_and_the_run_completes(
    workspace: Path, run: Run
) -> None:
    shutil.copytree(MODEL, workspace / "models" / "candidate")
    folder = workspace / "data" / "incoming"
    folder.mkdir()
    (folder / "broken.png").write_text("no picture")
    for number in range(50):
        np.save(folder / f"{number}.npy", np.full((28, 28), 200 + number, np.uint8))
    completed = run(
        "flows.predict", "data/incoming", "predictions/incoming.parquet", "--model", "candidate"
    )
    assert "50 of 51 images → predictions/incoming.parquet" in completed.stderr
    assert "Task run 'classify' - Finished in state CompletedWithErrors" in completed.stderr
    assert "broken.png is no PNG" in completed.stderr
    assert "drift: mean brightness: " in completed.stderr
    assert "Task run 'drift' - Finished in state Drifted" in completed.stderr
    assert "| ✗ | mean brightness |" in (workspace / "predictions" / "incoming.drift.md").read_text(
        "utf-8"
    )


def test_the_deployment_names_the_flow_and_each_of_its_parameters() -> None:
    content = YAML(typ="safe").load((PROJECT / "prefect.yaml").read_text("utf-8"))
    (batch,) = [entry for entry in content["deployments"] if entry["name"] == "batch"]
    path, _, name = batch["entrypoint"].partition(":")
    assert import_object(f"{path.removesuffix('.py').replace('/', '.')}:{name}") is predict
    assert set(batch["parameters"]) == set(predict.parameters.properties)


def test_the_scheduler_of_the_parameters_is_handed_on_and_the_environments_comes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(SCHEDULER_VARIABLE, "")
    monkeypatch.delenv(SCHEDULER_VARIABLE)
    name_scheduler(None)
    assert SCHEDULER_VARIABLE not in os.environ
    for address in ("tcp://127.0.0.1:1", "tcp://127.0.0.1:2"):
        name_scheduler(address)
        assert os.environ[SCHEDULER_VARIABLE] == "tcp://127.0.0.1:1"
