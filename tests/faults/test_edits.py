"""Parameters and code are edited while `train` runs, through both doors."""

import json
from pathlib import Path

import pytest

from tasks.core import paths
from tests.conftest import read_small_parameters, write_parameters
from tests.faults.rig import Reference, copy_workspace, run, start
from workspace.repository import read_lock

pytestmark = pytest.mark.faults(
    "`params.yaml`, or a line of code, edited while a stage runs, through both doors",
    "the stage fails in words at its end; nothing of it is recorded; the next run makes what is"
    " asked for then",
)

NETWORKS = Path("tasks/train/networks.py")


@pytest.mark.parametrize("edited", ["a parameter", pytest.param("code", marks=pytest.mark.long)])
@pytest.mark.parametrize("door", [("dvc", "repro"), ("cli", "run")], ids=["dvc", "flow"])
def test_what_is_edited_while_train_runs_fails_it_and_is_not_recorded(
    reference: Reference, prefect_api: str, tmp_path: Path, door: tuple[str, ...], edited: str
) -> None:
    root = copy_workspace(reference.root, tmp_path / "workspace")
    parameters = read_small_parameters()
    parameters["train"]["seed"] = 1
    write_parameters(root, parameters)
    before = (root / "dvc.lock").read_bytes()
    with start(*door, root=root, PREFECT_API_URL=prefect_api) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "epoch 1 of at most" in line:
                break
        if edited == "code":
            with (root / NETWORKS).open("a") as file:
                file.write("# a thought\n")
        else:
            parameters["train"]["seed"] = 2
            write_parameters(root, parameters)
        lines += process.stdout.readlines()
        assert process.wait() != 0
    told = str(NETWORKS) if edited == "code" else "parameter train.seed: 1 → 2"
    assert f"What it was started with changed while it ran: {told}. Nothing" in "".join(lines)
    assert (root / "dvc.lock").read_bytes() == before
    run(*door, root=root, PREFECT_API_URL=prefect_api)
    card = json.loads((root / paths.MODEL_CARD).read_text("utf-8"))
    assert card["parameters"]["seed"] == parameters["train"]["seed"]
    train = read_lock(root)["train"]
    assert train["params"]["params.yaml"]["train"]["seed"] == parameters["train"]["seed"]
