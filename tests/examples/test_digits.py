"""From nothing to a report on images of one's own, by the commands of docs/data.md."""

import shutil
from pathlib import Path

from tasks.core import paths
from tasks.evaluate.metrics import read_metrics
from tests.conftest import PARAMETERS, PROJECT, Run
from tests.flows.test_pipeline import STAGES, stages_run

FOLDER = "data/source/digits"


def test_a_folder_of_images_becomes_a_model_and_a_report(workspace: Path, run: Run) -> None:
    shutil.copytree(PROJECT / "examples", workspace / "examples")
    shutil.copy(PARAMETERS, workspace)
    assert run("examples.digits", FOLDER).stdout == f"1,797 images in {FOLDER}\n"
    run("tasks.propose", FOLDER, "proposal.yaml")
    shutil.copy(workspace / "proposal.yaml", workspace / "params.yaml")
    assert stages_run(run("dvc", "repro").stdout) == STAGES
    metrics = read_metrics(workspace / paths.EVALUATION)
    assert [row.name for row in metrics.classes] == list("0123456789")
    assert metrics.accuracy > 0.95
    assert "digits" in (workspace / "reports" / "report.html").read_text("utf-8")
    # A new image is a new input.
    shutil.copy(workspace / FOLDER / "3" / "0003.png", workspace / FOLDER / "3" / "again.png")
    plan = run("cli", "plan").stdout
    assert f"{FOLDER}" in plan
    assert "ingest" in plan.split("would run")[0].splitlines()[-1]
