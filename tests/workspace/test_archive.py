"""Every run is kept, whole, and seen over time."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dvc.utils.flatten import flatten
from ruamel.yaml import YAML

from tasks.models.card import version_of
from tasks.runner.errors import InputError
from tests.conftest import write_parameters
from workspace.archive import (
    ARCHIVE,
    Log,
    Run,
    find_run,
    keep_run,
    keeping,
    read_runs,
    remove_old_runs,
)
from workspace.compare import describe_change
from workspace.overview import write_overview

START = datetime(2026, 5, 4, 6, 0, tzinfo=UTC)
KEEP_ALL = {"keep_runs": None, "keep_days": None}
CLASSES = ("cat", "dog <script>")


@pytest.fixture
def root(tmp_path: Path, small_parameters: dict) -> Path:
    write_parameters(tmp_path, small_parameters)
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "report.html").write_text("<p>first</p>")
    measure(tmp_path, 0.8)
    return tmp_path


def measure(root: Path, accuracy: float, *, images: int = 100) -> None:
    """Leaves what evaluate, validate and the gate leave."""
    metrics = {
        "accuracy": accuracy,
        "accuracy_interval": [accuracy - 0.05, accuracy + 0.05],
        "classes": [{"name": name, "recall": accuracy} for name in CLASSES],
    }
    (root / "reports" / "evaluation.json").write_text(json.dumps(metrics))
    counts = [{"split": "train", "count": images}, {"split": "test", "count": 20}]
    (root / "reports" / "validation.json").write_text(json.dumps({"counts": counts}))
    candidate = root / "models" / "candidate"
    candidate.mkdir(parents=True, exist_ok=True)
    (candidate / "classifier.tflite").write_bytes(f"{accuracy}".encode())
    (candidate / "card.json").write_text(json.dumps({"classes": list(CLASSES)}))
    verdict = {"decision": "accepted", "version": version_of(candidate)}
    (root / "reports" / "verdict.json").write_text(json.dumps(verdict))


def candidate(root: Path) -> str:
    return version_of(root / "models" / "candidate")


def keep(root: Path, day: int, failure: str | None = None) -> Run:
    log = Log(
        (root / "params.yaml").read_bytes(),
        has_results=failure is None,
        started=START + timedelta(days=day),
        outcomes={"ingest": "unchanged", "train": "ran"},
        reasons={"ingest": (), "train": ("parameter train.epochs: 4 → 6",)},
    )
    return keep_run(root, log, seconds=12.34, failure=failure)


def test_a_run_is_kept_as_it_was_whatever_comes_after(root: Path) -> None:
    first = keep(root, 0)
    (root / "reports" / "report.html").write_text("<p>second</p>")
    measure(root, 0.9)
    second = keep(root, 1)
    assert read_runs(root / ARCHIVE) == [first, second]
    report = root / ARCHIVE / first.name / "report.html"
    assert report.read_text() == "<p>first</p>"
    assert first.accuracy == (0.8, 0.75, 0.8500000000000001)
    assert first.reasons == {"train": ("parameter train.epochs: 4 → 6",)}
    assert first.images == {"train": 100, "test": 20}


def test_a_failed_run_leaves_its_reason_and_no_earlier_report(root: Path) -> None:
    keep(root, 0)
    failed = keep(root, 1, failure="The stage train has failed: no memory")
    kept = {path.name for path in (root / ARCHIVE / failed.name).iterdir()}
    assert kept == {"run.json", "params.yaml"}
    assert (failed.accuracy, failed.decision) == (None, None)


def test_what_fails_after_the_last_stage_leaves_the_report_with_the_reason(root: Path) -> None:
    with pytest.raises(InputError, match="no remote"), keeping(root, **KEEP_ALL) as log:
        log.outcomes["train"] = "ran"
        log.has_results = True
        raise InputError("no remote")
    (run,) = read_runs(root / ARCHIVE)
    assert (run.failure, run.decision, run.candidate) == ("no remote", "accepted", candidate(root))
    assert (root / ARCHIVE / run.name / "report.html").read_text() == "<p>first</p>"
    assert f"{run.name}/report.html" in (root / ARCHIVE / "index.html").read_text("utf-8")
    with keeping(root, **KEEP_ALL) as log:
        log.outcomes["train"] = "unchanged"
        log.has_results = True
    assert len(read_runs(root / ARCHIVE)) == 1


def test_a_model_whose_run_was_killed_before_it_was_kept_is_kept_by_the_next(root: Path) -> None:
    for _ in range(2):
        with keeping(root, **KEEP_ALL) as log:
            log.outcomes["train"] = "unchanged"
            log.has_results = True
    assert [run.candidate for run in read_runs(root / ARCHIVE)] == [candidate(root)]


def test_a_run_in_which_only_the_champion_changed_is_kept(root: Path) -> None:
    keep(root, 0)
    with keeping(root, **KEEP_ALL) as log:
        log.outcomes["train"] = "unchanged"
        log.has_results = True
        record = json.dumps({"current": "a" * 12})
        (root / "models" / "champion").mkdir()
        (root / "models" / "champion" / "champion.json").write_text(record)
    assert [run.champion for run in read_runs(root / ARCHIVE)] == [None, "a" * 12]


def test_without_the_record_of_champions_no_run_is_removed(root: Path) -> None:
    for day in range(3):
        keep(root, day)
    version = root / "models" / "champion" / "version"
    version.mkdir(parents=True)
    (version / "classifier.tflite").write_bytes(b"model")
    (version / "card.json").write_text('{"classes": ["cat", "dog"]}')
    version.rename(version.with_name(version_of(version)))
    with keeping(root, keep_runs=1, keep_days=1.0) as log:
        log.outcomes["train"] = "ran"
    assert len(read_runs(root / ARCHIVE)) == 4
    shutil.rmtree(root / "models" / "champion")
    with keeping(root, keep_runs=1, keep_days=None) as log:
        log.outcomes["train"] = "ran"
    assert len(read_runs(root / ARCHIVE)) == 1


def test_parameters_are_those_that_the_run_had_whatever_is_edited_meanwhile(
    root: Path, small_parameters: dict
) -> None:
    """`gate` is edited too late to count; `train` before that stage began, as dvc.lock says."""
    edited = {name: dict(values) for name, values in small_parameters.items()}
    edited["train"]["epochs"] = 7
    with keeping(root, **KEEP_ALL) as log:
        edited["gate"]["keep"] = 9
        write_parameters(root, edited)
        params = {"params.yaml": {"train": edited["train"]}}
        lock = {"schema": "2.0", "stages": {"train": {"cmd": "x", "params": params}}}
        with (root / "dvc.lock").open("w") as file:
            YAML(typ="safe").dump(lock, file)
        log.outcomes |= {"ingest": "ran", "train": "ran"}
        log.has_results = True
    (run,) = read_runs(root / ARCHIVE)
    assert run.parameters["train.epochs"] == 7
    assert run.parameters["gate.keep"] == small_parameters["gate"]["keep"] != 9
    copy = YAML(typ="safe").load(root / ARCHIVE / run.name / "params.yaml")
    assert flatten(copy) == run.parameters


def test_a_broken_dvc_lock_does_not_hide_why_a_run_has_failed(root: Path) -> None:
    (root / "dvc.lock").write_text("<<<<<<< HEAD\nschema: '2.0'\n")
    failed = keep(root, 0, failure="dvc.lock can't be read")
    assert (failed.failure, failed.code, failed.data) == ("dvc.lock can't be read", {}, None)


def test_a_verdict_on_an_earlier_model_is_not_this_runs(root: Path) -> None:
    (root / "models" / "candidate" / "classifier.tflite").write_bytes(b"another")
    run = keep(root, 0)
    assert (run.decision, run.candidate) == (None, version_of(root / "models" / "candidate"))
    assert not (root / ARCHIVE / run.name / "verdict.json").exists()


def test_runs_beyond_a_number_or_an_age_go_but_never_the_champions(root: Path) -> None:
    runs = [keep(root, day) for day in range(5)]
    first = json.loads((root / ARCHIVE / runs[0].name / "run.json").read_text())
    (root / ARCHIVE / runs[0].name / "run.json").write_text(
        json.dumps(first | {"candidate": "c" * 12})
    )

    def remove(keep_runs: int | None, keep_days: float | None) -> list[str]:
        limits = {"keep_runs": keep_runs, "keep_days": keep_days}
        now = START + timedelta(days=5)
        return remove_old_runs(root / ARCHIVE, **limits, in_use=["c" * 12], now=now)

    assert remove(None, None) == []
    assert remove(3, None) == [runs[1].name]
    assert remove(None, 2.5) == [runs[2].name]
    assert [run.name for run in read_runs(root / ARCHIVE)] == [
        runs[0].name,
        runs[3].name,
        runs[4].name,
    ]


def test_what_is_no_run_is_neither_shown_nor_removed(root: Path) -> None:
    keep(root, 0)
    mine = root / ARCHIVE / "mine"
    mine.mkdir()
    (mine / "run.json").write_text("{}")
    assert len(read_runs(root / ARCHIVE)) == 1
    remove_old_runs(root / ARCHIVE, keep_runs=0, keep_days=None, in_use=[], now=START)
    assert mine.exists()


def test_a_run_is_found_by_the_beginning_of_its_name(root: Path) -> None:
    names = [keep(root, day).name for day in range(2)]
    assert find_run("2026-05-04", root / ARCHIVE).name == names[0]
    with pytest.raises(InputError, match=r"2 runs in .* begin with '2026'; expected one"):
        find_run("2026", root / ARCHIVE)


def test_what_changed_is_told_in_words(root: Path) -> None:
    before = keep(root, 0)
    measure(root, 0.9, images=120)
    more = before.parameters | {"train.epochs": 6}
    after = replace(keep(root, 1), code={"tasks/train": "b"}, data="2", parameters=more)
    before = replace(before, code={"tasks/train": "a"}, data="1")
    told = list(describe_change(before, after))
    assert told == [
        "train.epochs: 1 → 6",
        "code: tasks/train",
        "data: train 100 → 120 images",
    ]


@pytest.mark.parametrize("number", [0, 1, 3, 12])
def test_the_page_shows_the_last_runs_without_a_script(
    root: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workspace.overview._SHOWN", 10)
    (root / ARCHIVE).mkdir(exist_ok=True)
    runs = []
    for day in range(number):
        measure(root, 0.5 + 0.001 * day)
        runs.append(keep(root, day, failure="no <b>memory</b>" if day % 7 == 3 else None))
    page = write_overview(root / ARCHIVE).read_text("utf-8")
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("/report.html") == sum(run.failure is None for run in runs[-10:])
    assert len(page) < 50_000
    assert page == write_overview(root / ARCHIVE).read_text("utf-8")
