"""Out of date is visible: the status command says so, and the page itself does."""

import subprocess
from pathlib import Path

import pytest

from tasks.core import paths
from tasks.runner.lock import hold_run
from tasks.runner.stage import STALE_SLOT
from tests.conftest import Run, write_parameters
from tests.flows.test_pipeline import stages_run
from workspace.graph import Stage
from workspace.status import find_reasons, mark_page


def commit(workspace: Path) -> str:
    """Commits everything; returns the commit's short name."""
    git = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.invalid"]
    subprocess.run([*git, "add", "-A"], cwd=workspace, check=True)
    subprocess.run([*git, "commit", "-qm", "result"], cwd=workspace, check=True)
    return subprocess.run(
        [*git, "rev-parse", "--short", "HEAD"],
        cwd=workspace,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def test_a_report_that_is_made_gets_stale_is_renewed_and_compared_and_fails(
    workspace: Path, run: Run, small_parameters: dict
) -> None:
    page = workspace / paths.REPORT_PAGE
    nothing = run("cli", "status", check=False)
    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert nothing.stderr == "There is no reports/evaluation.json. Make it: dvc repro\n"
    refused = run("cli", "baseline", check=False)
    assert refused.returncode == 1
    assert "reports/evaluation.json" in refused.stderr
    assert "Traceback" not in refused.stderr

    run("dvc", "repro")
    fresh = page.read_text("utf-8")
    status = run("cli", "status").stdout
    assert status.endswith("The report is up to date.\n")
    assert page.as_uri() in status
    assert page.read_text("utf-8") == fresh

    # A changed parameter is seen; taken back, the page is as it was, and DVC agrees.
    small_parameters["train"]["seed"] = 7
    write_parameters(workspace, small_parameters)
    for _ in range(2):
        status = run("cli", "status", check=False)
        assert status.returncode == 1
        assert status.stdout.endswith(
            "The report is out of date:\n  train: parameter train.seed: 0 → 7\n"
        )
        assert "<li>train: parameter train.seed: 0 → 7</li>" in page.read_text("utf-8")
        run("cli", "verify")  # the mark is no damage
    small_parameters["train"]["seed"] = 0
    write_parameters(workspace, small_parameters)
    assert run("cli", "status").stdout.endswith("The report is up to date.\n")
    assert page.read_text("utf-8") == fresh
    assert stages_run(run("dvc", "repro").stdout) == []

    # The committed result becomes the baseline: only the report depends on it.
    name = commit(workspace)
    assert f"commit {name}" in run("cli", "baseline").stdout
    baseline = (workspace / paths.BASELINE).read_bytes()
    run("cli", "baseline", name)
    assert (workspace / paths.BASELINE).read_bytes() == baseline
    assert "report: input reports/baseline.json" in run("cli", "status", check=False).stdout
    assert stages_run(run("dvc", "repro").stdout) == ["report"]
    compared = page.read_text("utf-8")
    assert "with the very answers of the baseline" in compared
    assert f"The baseline is commit {name}" in compared

    # A stage that fails marks the page, and the mark stays while anything is out of date.
    small_parameters["data"]["train_images"] = 401
    write_parameters(workspace, small_parameters)
    assert run("dvc", "repro", check=False).returncode != 0
    assert "<li>the stage validate has failed</li>" in page.read_text("utf-8")
    status = run("cli", "status", check=False)
    assert status.returncode == 1
    assert "out of date:\n  the stage validate has failed\n  validate: " in status.stdout


def test_metrics_with_the_marks_of_a_merge_are_one_line(workspace: Path, run: Run) -> None:
    (workspace / paths.EVALUATION).write_text('<<<<<<< HEAD\n{"accuracy": 1}\n=======\n')
    refused = run("cli", "status", check=False)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert refused.stderr.endswith("Make it anew: rm reports/evaluation.json; dvc repro\n")


def test_a_run_at_work_writes_its_own_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    paths.REPORT_PAGE.parent.mkdir()
    page = f"<body>{STALE_SLOT}</body>"
    paths.REPORT_PAGE.write_text(page)
    with hold_run("a run"):
        mark_page(page, ["reason"])
    assert paths.REPORT_PAGE.read_text() == page
    assert "The page isn't marked. This workspace is in use by a run" in capsys.readouterr().out
    paths.REPORT_PAGE.write_text("a newer page")
    mark_page(page, ["reason"])
    assert paths.REPORT_PAGE.read_text() == "a newer page"


def stage(*reasons: str) -> Stage:
    return Stage(name="report", upstream=(), reasons=reasons)


def test_the_mark_itself_is_no_reason_to_be_out_of_date() -> None:
    modified = f"output {paths.REPORT_PAGE} is modified"
    assert find_reasons([stage(modified)], marks=["the stage train has failed"]) == []
    assert find_reasons([stage(modified)], marks=[]) == [f"report: {modified}"]


def test_a_failure_is_told_as_long_as_anything_is_out_of_date() -> None:
    marks = ["the stage train has failed", "train: parameter train.seed: 0 → 1"]
    found = find_reasons([stage("input a is modified")], marks)
    assert found == ["the stage train has failed", "report: input a is modified"]
