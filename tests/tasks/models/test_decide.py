"""From a finished run to a champion, over Git's tags and back, on a small real data set."""

import subprocess
from pathlib import Path

from tasks.core import paths
from tests.conftest import Run, write_parameters

LENIENT = {
    "min_accuracy": 0.01,
    "min_recall": None,
    "max_calibration_error": None,
    "accepts": "better",
    "margin": 0.01,
    "significance": 0.05,
    "max_f1_loss": 0.02,
    "promotes": "automatically",
    "keep": 3,
}


def test_a_run_makes_a_champion_that_can_be_registered_and_fetched(
    workspace: Path, run: Run, small_parameters: dict, prefect_api: str
) -> None:
    small_parameters["gate"] = LENIENT
    write_parameters(workspace, small_parameters)
    completed = run("cli", "run", PREFECT_API_URL=prefect_api)
    assert "Task run 'gate' - Finished in state Accepted" in completed.stderr
    assert "champion yet" in (workspace / "reports" / "verdict.md").read_text("utf-8")
    model = (workspace / paths.EXPORTED_MODEL).read_bytes()

    refused = run("cli", "champion", "register", check=False)
    assert "HEAD holds no models/candidate" in refused.stderr
    git = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.invalid"]
    subprocess.run([*git, "add", "-A"], cwd=workspace, check=True)
    subprocess.run([*git, "commit", "-qm", "a run"], cwd=workspace, check=True)
    subprocess.run(["git", "config", "user.name", "Test"], cwd=workspace, check=True)
    subprocess.run(["git", "config", "user.email", "t@example.invalid"], cwd=workspace, check=True)
    assert run("cli", "champion", "register").stdout.splitlines() == [
        "tagged classifier@v0.0.1",
        "tagged classifier#champion#1",
    ]
    run("dvc", "artifacts", "get", ".", "classifier", "--stage", "champion", "--out", "fetched")
    assert (workspace / "fetched" / paths.EXPORTED_MODEL.name).read_bytes() == model
    assert run("cli", "gate").stdout.startswith("**Unchanged**")
