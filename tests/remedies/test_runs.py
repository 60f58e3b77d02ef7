"""Each message of workspace, flows and the stages behind ingest: brought about in a real workspace,
obeyed by the very command that it names, and gone."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import prefect.settings
import pytest
from prefect.settings import temporary_settings

from flows.address import read_server, require_database
from flows.tell import find_address
from tasks.core import paths
from tasks.core.choice import hold_out
from tasks.core.seal import read_seal
from tasks.models.card import version_of
from tasks.models.decide import now
from tasks.models.store import (
    CHAMPIONS,
    Event,
    Pending,
    decline,
    let_wait,
    promote,
    read_record,
)
from tasks.runner.errors import InputError, NetworkError
from tests.conftest import environment, read_small_parameters, write_parameters
from tests.faults.rig import Reference, copy_workspace
from tests.ports import free_port
from tests.remedies.messages import Case, Cases, collect
from tests.store import VARIABLES, serve_store
from workspace.publish import require_publishable
from workspace.sync import require_place, sync_archive

FOLDERS = (
    *("workspace", "flows", "tasks/core", "tasks/runner", "tasks/models", "tasks/validate"),
    *("tasks/prepare", "tasks/train", "tasks/evaluate", "tasks/report", "tasks/predict"),
    *("tasks/drift", "tasks/sweep"),
)
_SECTIONS = "data|validate|prepare|train|gate|flow|predict|drift|report|sweep|evaluate"
_REMEDY = re.compile(
    rf"--[a-z]|\b({_SECTIONS})\.[a-z_]|params\.yaml|AWS_|PREFECT_|unset "
    r"|\b(dvc|cp|mv|rm|git|pipeline|make|prefect) [a-z-]"
)
_STORE, _REGISTRY = "tests/tasks/models/test_store.py", "tests/workspace/test_registry.py"
_LEFT = f"{_STORE}::test_a_champion_that_is_gone_is_left_by_each_way_that_the_message_names"
_PASSED = f"{_STORE}::test_the_way_back_passes_over_a_damaged_version"
_MENDED = f"{_STORE}::test_damage_to_what_waits_is_found_and_mended_by_the_gate"
_SERVED = "tests/flows/test_serve.py"
_WORKERS = (
    "tests/cluster/test_parts.py::"
    "test_a_worker_with_a_label_takes_the_parts_that_ask_for_it_and_none_with_threads_is_taken"
)
# Those whose case needs more than this file has, and where it is.
ELSEWHERE = {
    "Make the key usable without a question, or let tags": (
        f"{_REGISTRY}::test_tags_are_signed_where_git_signs_and_refused_where_it_cannot"
    ),
    "Fetch them first: git fetch": (
        f"{_REGISTRY}::test_a_clone_that_lacks_the_tags_is_told_how_to_get_them"
    ),
    "Start one that has: dask worker --resources": _WORKERS,
    "Start it anew: dask worker --nthreads 1": _WORKERS,
    "go back to …: … rollback --to": _LEFT,
    "which was withdrawn (…): … rollback --to": _LEFT,
    "promote the candidate: … promote --because": _LEFT,
    "Go back to another: ": _PASSED,
    "Nobody can go back to it: rm -r": _PASSED,
    "have it judged again, which brings it back": _MENDED,
    "hold results that they haven't made. Run the pipeline again": (
        "tests/workspace/test_publish.py::"
        "test_code_that_was_edited_after_a_stage_had_read_it_is_not_committed"
    ),
    "… waits for a decision: … promote": f"{_STORE}::test_what_waits_is_no_version_to_go_back_to",
    "What it was started with changed while it ran": (
        "tests/tasks/runner/test_declared.py::"
        "test_what_changes_while_a_stage_runs_fails_it_and_is_not_recorded"
    ),
    "Take … out of flow.elsewhere in params.yaml": (
        "tests/cluster/test_elsewhere.py::"
        "test_a_stage_that_reads_what_only_this_machine_has_stays_here"
    ),
    "of this code, these images and parameters. Search: pipeline sweep": (
        "tests/sweep/test_sweep.py::test_neither_a_cluster_nor_a_killed_client_change_what_is_found"
    ),
    "Give this workspace a database of its own": (
        f"{_SERVED}::test_a_second_workspace_is_turned_away_from_a_server_that_serves_the_first"
    ),
    "**Somebody is waited for**": (
        f"{_SERVED}::test_an_accepted_model_waits_until_a_person_decides_in_prefect"
    ),
    "lower train.batch_size, or data.height": (
        "tests/tasks/train/test_stage.py::"
        "test_a_training_that_memory_cannot_hold_is_refused_with_what_to_lower"
    ),
}
# What needs a package registry, another machine or a moment that can't be had; what comes next,
# or may be otherwise, which is no fault; and parts of messages.
HINTS = (
    *("Run: make cluster", "Add what a cluster needs: make cluster"),
    *("doesn't see DVC's cache", "the kernel did, because memory ran out"),
    *("params.yaml changed meanwhile", "Take the best: pipeline sweep adopt"),
    *("and DVC's cache the model. Make the report", "which is about to begin"),
    *("allows …: it ships in float32", "this processor has "),
    *("flow.webhook in params.yaml is null", "{{ flow.name }}", "make what waits, else"),
    *("flow.sync_to = …", "params.yaml: flow.commit_to"),
)
cases = Cases()
follows = cases.follows


class Person:
    """Works in a workspace, by commands."""

    def do(self, command: str) -> str:
        """What a command tells that succeeds."""
        completed = self._run(command)
        assert completed.returncode == 0, completed.stdout
        return completed.stdout

    def refused(self, command: str) -> str:
        """Why a command refuses to work."""
        completed = self._run(command)
        assert completed.returncode != 0, completed.stdout
        assert "Traceback" not in completed.stdout, completed.stdout
        return completed.stdout

    def set(self, **sections: dict[str, Any]) -> None:
        """Writes params.yaml: those of the tests, with these values."""
        parameters = read_small_parameters()
        for name, values in sections.items():
            parameters[name] |= values
        write_parameters(Path.cwd(), parameters)

    def _run(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", command],
            env=environment() | {"GIT_EDITOR": "sh -c 'echo results > \"$0\"'"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


me = Person()
LENIENT = {"min_accuracy": None, "min_recall": None, "max_calibration_error": None}


def told_after(text: str, words: str) -> str:
    """The command that stands behind some words of a message, up to the end of its sentence."""
    return re.split(r"\.?\n|\. |; or |, or |$", text.partition(words)[2])[0].strip()


def caught(function: Any, *arguments: Any, **named: Any) -> str:
    """Why a function refuses."""
    with pytest.raises((InputError, NetworkError)) as refused:
        function(*arguments, **named)
    return str(refused.value)


@pytest.fixture
def root(reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace in which the pipeline has run, and whose results are committed."""
    root = copy_workspace(reference.root, tmp_path / "workspace")
    monkeypatch.chdir(root)
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Test")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "test@example.invalid")
    (root / ".git" / "info" / "exclude").write_text(".site\n.pipeline\n")
    me.set(gate=LENIENT)
    me.do("git rm -rq --cached --ignore-unmatch .site; git add --all; git commit -qm results")
    return root


# Git, DVC, the baseline.


@follows("lies in no Git repository, and a baseline is a commit's result")
def no_git_for_a_baseline(root: Path) -> Iterator[str]:
    shutil.rmtree(root / ".git")
    me.do("dvc config --local core.no_scm true")
    seen = me.refused("pipeline baseline")
    yield seen
    me.do("dvc config --local --unset core.no_scm")
    me.do(told_after(seen, "Make one: "))
    me.do("pipeline baseline")


@follows("There is no remote. Make them anew")
def a_baseline_that_is_nowhere(root: Path) -> Iterator[str]:
    shutil.rmtree(root / ".dvc" / "cache")
    seen = me.refused("pipeline baseline")
    yield seen
    me.do(told_after(seen, "Make them anew: "))
    me.do("pipeline baseline")


@follows("Push them where they are", "Renew the report: dvc repro")
def a_baseline_that_was_not_pushed(root: Path) -> Iterator[str]:
    storage = root.parent / "storage"
    me.do(f"dvc remote add --default storage {storage}; git commit -qam remote")
    clone = root.parent / "clone"
    me.do(f"git clone -q {root} {clone}; cp -r .dvc/config {clone}/.dvc/config")
    os.chdir(clone)
    seen = me.refused("pipeline baseline")
    os.chdir(root)
    me.do(told_after(seen, "Push them where they are: "))
    me.do("git checkout -q -")
    os.chdir(clone)
    made = me.do("pipeline baseline")
    yield seen + made
    me.do(f"dvc pull -q; cp -r {root}/data/source data/source")
    me.do(told_after(made, "Renew the report: "))
    assert "up to date" in me.do("dvc status")


@follows("lies in no Git repository, which DVC expects")
def no_git(root: Path) -> Iterator[str]:
    shutil.rmtree(root / ".git")
    seen = me.refused("pipeline plan")
    yield seen
    me.do(told_after(seen, "Make one: "))
    me.do("pipeline plan")


@follows("holds no DVC repository: its folder .dvc is missing")
def no_dvc(root: Path) -> Iterator[str]:
    shutil.rmtree(root / ".dvc")
    seen = me.refused("pipeline plan")
    yield seen
    me.do(told_after(seen, "or run: "))
    me.do("pipeline plan")


@follows("dvc.lock can't be read")
def a_merge_in_the_lock(root: Path) -> Iterator[str]:
    lock = root / "dvc.lock"
    lock.write_text("<<<<<<< HEAD\n" + lock.read_text())
    seen = me.refused("pipeline plan")
    yield seen
    me.do(told_after(seen, "Mend it: "))
    me.do("pipeline plan")


@follows("dvc.lock records nothing to compare with")
def nothing_recorded(root: Path) -> Iterator[str]:
    (root / "dvc.lock").unlink()
    seen = me.refused("pipeline verify")
    yield seen
    me.do(told_after(seen, "Make it: "))
    me.do("pipeline verify")


@follows("is damaged: its MD5 is …, its name says")
def a_rotted_list(root: Path) -> Iterator[str]:
    listed = next((root / ".dvc" / "cache" / "files" / "md5").glob("??/*.dir"))
    listed.chmod(0o644)
    listed.write_bytes(listed.read_bytes() + b" ")
    seen = me.refused("pipeline verify")
    yield seen
    me.do(told_after(seen, "Mend it: "))
    me.do("pipeline verify")


@follows("is damaged: its MD5 is …, dvc.lock says")
def rotted_bytes(root: Path) -> Iterator[str]:
    table = root / paths.PREDICTIONS
    content = table.read_bytes()
    digest = re.search(rf"path: {paths.PREDICTIONS}\n +hash: md5\n +md5: (\w+)", lock_of(root))
    assert digest
    copy = root / ".dvc" / "cache" / "files" / "md5" / digest[1][:2] / digest[1][2:]
    copy.chmod(0o644)
    for path in (table, copy):
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    seen = me.refused("pipeline verify")
    yield seen
    for line in seen.splitlines():
        if "Mend it: " in line:
            me.do(told_after(line, "Mend it: "))
    me.do("pipeline verify")


def lock_of(root: Path) -> str:
    return (root / "dvc.lock").read_text("utf-8")


# Where results go.


@follows(
    *("is not a DVC remote. Known: ", "isn't verified: damaged files would be fetched unseen"),
    "Mend its address: dvc remote modify",
)
def a_remote(root: Path) -> Iterator[str]:
    (root.parent / "a file").touch()

    def ask() -> str:
        return caught(require_publishable, root, push_to="storage", commit_to=None)

    unknown = ask()
    me.do(told_after(unknown, "Add it: ").replace("ADDRESS", f"'{root.parent}/a file'"))
    unverified = ask()
    me.do(told_after(unverified, "Mend it: "))
    wrong = ask()
    yield unknown + unverified + wrong
    me.do(told_after(wrong, "Mend its address: ").replace("ADDRESS", f"'{root.parent}/storage'"))
    require_publishable(root, push_to="storage", commit_to=None)


@follows("this is no Git repository with a commit to begin the branch at")
def no_commit(root: Path) -> Iterator[str]:
    shutil.rmtree(root / ".git")
    seen = caught(require_publishable, root, push_to=None, commit_to="results")
    yield seen
    me.do(told_after(seen, "Make one: "))
    require_publishable(root, push_to=None, commit_to="results")


@follows("Git doesn't know in whose name to commit")
def no_name(root: Path) -> Iterator[str]:
    names = ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL")
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.delenv(name)
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        patch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
        patch.setenv("EMAIL", "")
        me.do("git config user.useConfigOnly true")
        seen = caught(require_publishable, root, push_to=None, commit_to="results")
        yield seen
        me.do(
            told_after(seen, "Tell it: ").replace("NAME", "Ann").replace("ADDRESS", "a@b.invalid")
        )
        require_publishable(root, push_to=None, commit_to="results")


@follows("Git is to sign commits (commit.gpgsign) and can't")
def no_key(root: Path) -> Iterator[str]:
    me.do("git config commit.gpgsign true; git config gpg.format ssh")
    me.do(f"git config user.signingkey {root}/nowhere")
    seen = caught(require_publishable, root, push_to=None, commit_to="results")
    yield seen
    me.do(told_after(seen, "commits be unsigned: "))
    require_publishable(root, push_to=None, commit_to="results")


@follows("is no place for files: …. Expected is a folder, or an address such as s3://")
def no_place(root: Path) -> Iterator[str]:
    yield caught(require_place, "nowhere://bucket")
    require_place(str(root.parent / "a folder"))


@follows("that isn't the overview of runs, and would be replaced")
def another_page(root: Path) -> Iterator[str]:
    site, kept = root.parent / "site", root / "archive"
    site.mkdir()
    kept.mkdir(exist_ok=True)
    (site / "index.html").write_text("mine")
    (kept / "index.html").write_text("<title>Runs</title>")
    yield caught(sync_archive, str(site), kept)
    (site / "index.html").rename(site / "mine.html")
    sync_archive(str(site), kept)


# The champion.


@follows(
    *("There is no champion yet. The first: pipeline gate",),
    *("There is no champion to register. The first: pipeline gate",),
    *("There is no champion yet. Have this model judged",),
    "no model has passed the gate. Train one and let the gate decide",
)
def no_champion(root: Path) -> Iterator[str]:
    predict = f"pipeline predict {root}/data/raw/test_images.npy --output table.csv --no-drift"
    nobody = me.refused(predict)
    yield (
        me.do("pipeline champion show")
        + me.refused("pipeline champion register")
        + me.do("pipeline repro")
        + nobody
    )
    me.do(f"{predict} --model candidate")
    me.do(told_after(nobody, "let the gate decide: "))
    me.do("pipeline champion register")
    me.do(predict)
    assert "yet" not in me.do("pipeline champion show") + me.do("pipeline repro")


@follows("Commit the dvc.lock of the champion first")
def a_champion_that_is_not_committed(root: Path) -> Iterator[str]:
    me.set(gate=LENIENT, train={"seed": 1})
    me.do("pipeline repro; pipeline champion promote --because mine")
    seen = me.refused("pipeline champion register")
    yield seen
    me.do(told_after(seen, "of the champion first: "))
    me.do("pipeline champion register")


@follows("still hands out … as the champion. To follow")
def a_registry_that_is_behind(root: Path) -> Iterator[str]:
    me.do("pipeline gate; pipeline champion register")
    me.set(gate=LENIENT, train={"seed": 1})
    me.do("pipeline repro; pipeline champion promote --because mine; git commit -qam second")
    me.do("pipeline champion register; pipeline champion rollback --because wrong")
    seen = me.do("pipeline champion show")
    yield seen
    me.do(told_after(seen, "To follow: "))
    assert "still" not in me.do("pipeline champion show")


@follows("is about another model or other test images than those that are here")
def measured_on_another(root: Path) -> Iterator[str]:
    me.set(gate=LENIENT, train={"seed": 1})
    me.do("dvc repro train")
    seen = me.refused("pipeline gate")
    yield seen
    assert "evaluate" in me.do(told_after(seen, "See: "))
    me.do(told_after(seen, "Mend it: "))
    me.do("pipeline champion promote --because mine")


@follows("There is no …. The pipeline makes a candidate", "There is no model in …: it holds no")
def no_candidate(root: Path) -> Iterator[str]:
    shutil.rmtree(root / paths.CANDIDATE)
    seen = me.refused("pipeline gate")
    (root / paths.CANDIDATE).mkdir()
    (root / paths.MODEL_CARD).write_text('{"classes": []}')
    yield seen + me.refused("pipeline gate")
    (root / paths.MODEL_CARD).unlink()
    me.do(told_after(seen, "makes a candidate: "))
    me.do("pipeline gate")


@follows("there is neither a champion nor gate.min_accuracy")
def no_threshold(root: Path) -> Iterator[str]:
    yield me.do("pipeline gate")
    shutil.rmtree(root / CHAMPIONS, ignore_errors=True)
    me.set(gate=LENIENT | {"min_accuracy": 0.01})
    assert "neither" not in me.do("pipeline gate || true")


@follows(
    *("rollback --to VERSION --because REASON; or with the candidate",),
    " The first champion: pipeline gate",
)
def a_lost_record(root: Path) -> Iterator[str]:
    first = me.refused("pipeline champion rollback --to 000000000000 --because no")
    me.do("pipeline gate")
    version = read_record(root / CHAMPIONS).current
    (root / CHAMPIONS / "champion.json").unlink()
    seen = me.refused("pipeline champion show")
    yield seen + first
    command = told_after(seen, "a new record with one of them: ")
    me.do(command.replace("VERSION", str(version)).replace("REASON", "mine"))
    me.do("pipeline champion show; pipeline verify")


@follows("nor is it the candidate, which is …. See", "No model waits for a decision. See")
def another_version(root: Path) -> Iterator[str]:
    seen = me.refused("pipeline champion promote --version 000000000000 --because mine")
    yield seen + me.refused("pipeline champion decline --because mine")
    assert "no champion yet" in me.do(told_after(seen, "See: "))
    me.do("pipeline champion promote --because mine")


@follows("The champion changed meanwhile: … for …. Have the candidate judged again")
def a_champion_that_changed(root: Path) -> Iterator[str]:
    event = Event("promoted", version_of(root / paths.CANDIDATE), "0" * 12, now(), "ann", "good")
    seen = caught(promote, event, {})
    yield seen
    me.do(told_after(seen, "judged again: "))


@follows("was taken back meanwhile: …. Have the candidate judged again")
def a_model_that_was_declined_meanwhile(root: Path) -> Iterator[str]:
    seal = read_seal(root / paths.CANDIDATE, remedy="")
    files = {root / paths.CANDIDATE / name: sha256 for name, sha256 in seal.items()}
    version = version_of(root / paths.CANDIDATE)
    pending = Pending(version, now(), "good")
    let_wait(pending, files)
    decline(Event("declined", version, None, now(), "ann", "no"))
    seen = caught(let_wait, pending, files)
    yield seen
    assert "taken back before: declined: no" in me.refused(told_after(seen, "judged again: "))


# Predictions and drift.


@follows("Say where the table goes: --output")
def many_images(root: Path) -> Iterator[str]:
    predict = f"pipeline predict {root}/data/raw/test_images.npy --model candidate --no-drift"
    seen = me.refused(predict)
    yield seen
    me.do(f"{predict} {told_after(seen, 'where the table goes: ')}")


@follows("is there already and holds nothing about drift")
def a_file_in_the_place_of_drift(root: Path) -> Iterator[str]:
    (root / "table.drift.md").write_text("mine")
    predict = f"pipeline predict {root}/data/raw/test_images.npy --model candidate"
    yield me.refused(f"{predict} --output table.csv")
    me.do(f"{predict} --output table.csv --no-drift")
    me.do(f"{predict} --output other.csv")
    assert (root / "table.drift.md").read_text() == "mine"


@follows("Expected champion, candidate, or a folder that holds")
def no_model(root: Path) -> Iterator[str]:
    shutil.rmtree(root / paths.CANDIDATE)
    predict = f"pipeline predict {root}/data/raw/test_images.npy --output t.csv --no-drift --model"
    seen = me.refused(f"{predict} candidate")
    yield seen
    me.do(told_after(seen, "The pipeline makes a candidate: "))
    me.do(f"{predict} candidate")


@follows("Take another model, or make it anew: dvc repro", "Train the model anew: dvc repro")
def a_card_that_says_nothing(root: Path) -> Iterator[str]:
    predict = f"pipeline predict {root}/data/raw/test_images.npy --model candidate --output t.csv"
    (root / paths.CANDIDATE / "reference.json").write_text("{}")
    unlike = me.refused(predict)
    (root / paths.MODEL_CARD).write_text("{}")
    seen = me.refused(predict)
    yield unlike + seen
    me.do(told_after(seen, "make it anew: "))
    me.do(predict)


@follows("Set what its library needs, such as AWS_ACCESS_KEY_ID")
def no_key_to_a_store(root: Path) -> Iterator[str]:
    (root.parent / "store").mkdir()
    predict = "pipeline predict s3://ours/images --model candidate --no-drift --output t.csv"
    with serve_store(root.parent / "store") as address, pytest.MonkeyPatch.context() as patch:
        for name in VARIABLES:
            patch.delenv(name, raising=False)
        patch.setenv("AWS_ENDPOINT_URL", address)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield me.refused(predict)
        for name, value in VARIABLES.items():
            patch.setenv(name, value)
        store = fsspec.filesystem("s3", skip_instance_cache=True)
        store.mkdir("ours")
        store.pipe("ours/images/a.npy", (root / paths.RAW / "test_labels.npy").read_bytes())
        me.do(predict)


# The stages.


@follows("is a link to …; … would put a folder in its place")
def a_link_to_a_bigger_disk(root: Path) -> Iterator[str]:
    disk = root.parent / "disk"
    (root / paths.RAW).rename(disk)
    (root / paths.RAW).symlink_to(disk)
    seen = me.refused("pipeline repro")
    yield seen
    command = told_after(seen, "let DVC's cache lie there: ")
    me.do(command.replace("FOLDER", str(root.parent / "cache")))
    me.do("pipeline repro")
    assert disk.is_dir()


@follows("is an input of …, and … is its output: one lies in the other")
def a_source_in_an_output(root: Path) -> Iterator[str]:
    (root / "data" / "source").rename(root / paths.RAW / "mine")
    me.set(ingest={"path": f"{paths.RAW}/mine"})
    yield me.refused("pipeline repro")
    (root / paths.RAW / "mine").rename(root / "data" / "source")
    me.set()
    me.do("pipeline repro")


@follows("holds what no run wrote")
def a_file_of_ones_own(root: Path) -> Iterator[str]:
    (root / paths.RAW / "notes.txt").write_text("mine")
    seen = me.refused("pipeline repro")
    yield seen
    me.do(told_after(seen, "Keep it elsewhere: ").partition(" (")[0])
    me.do("pipeline repro")
    assert "mine" in "".join(path.read_text() for path in (root / "data").rglob("notes.txt"))


@follows("different images, one each to")
def too_few(root: Path) -> Iterator[str]:
    def choose(number: int, classes: tuple[str, ...]) -> np.ndarray:
        labels = np.repeat(np.arange(len(classes)), [9, number][: len(classes)])
        ranks = np.linspace(0, 1, len(labels))
        return hold_out(ranks, labels, share=0.2, classes=classes, uses=("train", "test"))

    yield caught(choose, 1, ("cat", "dog"))
    choose(2, ("cat", "dog"))
    choose(0, ("cat",))


@follows(
    *("Mend it: rm -r …; dvc repro --force ingest", "can't be read (…). Run: dvc repro ingest"),
)
def damaged_images(root: Path) -> Iterator[str]:
    images = root / paths.RAW / "test_images.npy"
    content = images.read_bytes()
    images.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    rotted = me.refused("python -m tasks.evaluate")
    images.write_bytes(content)
    (root / paths.RAW / "manifest.json").write_text("{")
    broken = me.refused("python -m tasks.evaluate")
    yield rotted + broken
    me.do(told_after(rotted, "Mend it: "))
    me.do("python -m tasks.evaluate")


@follows("Mend it: rm -r …; dvc repro --force --single-item")
def a_damaged_model(root: Path) -> Iterator[str]:
    model = root / paths.EXPORTED_MODEL
    model.write_bytes(model.read_bytes()[:-1])
    seen = me.refused("python -m tasks.evaluate")
    yield seen
    assert told_after(seen, "Mend it: ") == told_after(me.refused("pipeline gate"), "Mend it: ")
    me.do(told_after(seen, "Mend it: "))
    me.do("python -m tasks.evaluate && pipeline gate")


@follows(
    *("There is no …. Make it: dvc repro", "can't be read (…). Make it anew: rm …; dvc repro"),
)
def no_metrics(root: Path) -> Iterator[str]:
    (root / paths.EVALUATION).write_text("{")
    broken = me.refused("pipeline status")
    (root / paths.EVALUATION).unlink()
    gone = me.refused("pipeline status")
    yield broken + gone
    me.do(told_after(gone, "Make it: "))
    me.do("pipeline status")
    (root / paths.EVALUATION).write_text("{")
    me.do(told_after(broken, "Make it anew: "))
    me.do("pipeline status")


@follows("can't be read (…). Make it anew: dvc repro")
def predictions_that_can_not_be_read(root: Path) -> Iterator[str]:
    (root / paths.PREDICTIONS).write_bytes(b"?")
    seen = me.refused("pipeline gate")
    (root / paths.MODEL_CARD).write_text("{")
    yield seen + me.refused("pipeline gate")
    me.do("dvc repro")
    me.do("pipeline gate")


@follows("the figures don't follow from the answers. Make both anew: dvc repro")
def predictions_of_another_model(root: Path) -> Iterator[str]:
    table = pd.read_parquet(paths.PREDICTIONS)
    table.assign(predicted=table["label"]).to_parquet(paths.PREDICTIONS, index=False)
    seen = me.refused("pipeline gate")
    yield seen
    me.do(told_after(seen, "Make both anew: "))
    me.do("pipeline gate")
    assert "up to date" in me.do("dvc status")


@follows("shows the images. Mend the data", "says that the data is bad. Mend it, then run")
def bad_data(root: Path) -> Iterator[str]:
    me.set(validate={"min_spread": 200.0})
    seen = me.refused("dvc repro validate")
    yield seen + me.refused("python -m tasks.prepare")
    me.set()
    me.do(told_after(seen, "then run: "))


@follows("can't be read (…). Run: dvc repro validate")
def a_verdict_that_can_not_be_read(root: Path) -> Iterator[str]:
    (root / paths.VALIDATION).write_text("{")
    seen = me.refused("python -m tasks.prepare")
    yield seen
    me.do(told_after(seen, "Run: "))
    me.do("python -m tasks.prepare")


@follows("can't be read (…). Make it anew: pipeline baseline; or do without")
def a_broken_baseline(root: Path) -> Iterator[str]:
    (root / paths.BASELINE).write_text("<<<<<<<")
    seen = me.refused("dvc repro report")
    yield seen
    me.do(told_after(seen, "or do without: "))
    me.do("dvc repro report")
    me.do(told_after(seen, "Make it anew: ").partition(";")[0])
    me.do("dvc repro report")


@follows("modules are looked for from the project's folder")
def an_unknown_network(root: Path) -> Iterator[str]:
    (root / "own.py").touch()
    me.set(train={"architecture": "own.network", "network_file": "own.py"})
    yield me.refused("dvc repro train")
    me.set(train={"architecture": "light"})
    me.do("dvc repro train")


@follows("Name another one in train.architecture of params.yaml, or mend its function")
def a_network_that_fits_no_such_image(root: Path) -> Iterator[str]:
    (root / "own.py").write_text("def network(images):\n    raise ValueError('too small')\n")
    me.set(train={"architecture": "own.network", "network_file": "own.py"})
    yield me.refused("dvc repro train")
    me.set(train={"architecture": "light"})
    me.do("dvc repro train")


@follows("train.device is gpu, but TensorFlow finds none")
def no_gpu(root: Path) -> Iterator[str]:
    me.set(train={"device": "gpu"})
    yield me.refused("dvc repro train")
    me.set(train={"device": "cpu"})
    me.do("dvc repro train")


@follows("Lower train.learning_rate in params.yaml, then run: dvc repro")
def a_loss_that_is_no_number(root: Path) -> Iterator[str]:
    adam = {"optimizer": "adam", "schedule": "constant", "architecture": "light"}
    me.set(train=adam | {"learning_rate": 1e30})
    seen = me.refused("dvc repro train")
    yield seen
    me.set(train=adam | {"learning_rate": 1e-3})
    me.do(told_after(seen, "then run: "))


@follows("train.export_tolerance in params.yaml allows")
def a_model_that_differs(root: Path) -> Iterator[str]:
    me.set(train={"export_tolerance": 1e-12})
    yield me.refused("dvc repro train")
    me.set(train={"export_tolerance": 1e-4})
    me.do("dvc repro train")


@follows("Set train.whitening: false in params.yaml")
def nothing_to_whiten(root: Path) -> Iterator[str]:
    text = "import keras\n\ndef network(images):\n    return keras.layers.Flatten()(images)\n"
    (root / "own.py").write_text(text)
    own = {"architecture": "own.network", "network_file": "own.py"}
    me.set(train=own | {"whitening": True})
    yield me.refused("dvc repro train")
    me.set(train=own | {"whitening": False})
    me.do("dvc repro train")


@follows("or train.precision: float32", "expected native, or train.precision: float32")
def other_instructions(root: Path) -> Iterator[str]:
    me.set(train={"precision": "bfloat16"})
    yield me.refused("pipeline check")
    me.set(train={"precision": "float32"})
    me.do("pipeline check")


@follows("Give one for each class, or null", "validate.shares sums to …; expected 1")
def shares(root: Path) -> Iterator[str]:
    me.set(validate={"shares": [0.5, 0.5]})
    seen = me.refused("pipeline check")
    me.set(validate={"shares": [0.2] * 10})
    yield seen + me.refused("pipeline check")
    for mended in (None, [0.1] * 10):
        me.set(validate={"shares": mended})
        me.do("pipeline check")


@follows("Take it from a new proposal, or set it to null")
def accepted_labels_of_other_classes(root: Path) -> Iterator[str]:
    names = ("images", "suspected", "suggested", "surely_suspected", "surely_suggested")
    me.set(validate={"accepted_labels": {name: [0] * 9 for name in names}})
    yield me.refused("pipeline check") + me.refused("dvc repro validate")
    me.set(validate={"accepted_labels": None})
    me.do("dvc repro validate")


# Prefect.


@follows(
    *("is no port; expected a number", "is open to other machines, and the server would let"),
    *("holds letters beyond ASCII", "Nothing can listen at"),
)
def addresses(root: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        seen = [
            caught(read, PORT="0"),
            caught(read, HOST="0.0.0.0"),
            caught(read, HOST="0.0.0.0", AUTH_STRING="ann:schlüssel"),
            caught(read, PORT=str(taken)),
        ]
    yield "".join(seen)
    port = str(free_port())
    read(PORT=port)
    read(PORT=port, HOST="0.0.0.0", AUTH_STRING="ann:secret")
    read(PORT=str(taken))


def read(**settings: str) -> None:
    """What the service does first, with these settings of the server's API."""
    every = {f"PREFECT_SERVER_API_{name}": value for name, value in settings.items()}
    with temporary_settings({getattr(prefect.settings, name): every[name] for name in every}):
        read_server()


@follows(
    *("doesn't take connections: …. Start it, or mend the address",),
    *("PREFECT_SERVER_DATABASE_CONNECTION_URL: expected postgresql+asyncpg",),
)
def no_database(root: Path) -> Iterator[str]:
    seen = caught(require_database, "postgres")
    yield seen + caught(require_database, "postgresql+asyncpg://ann:x@127.0.0.1:1/prefect")
    require_database(f"sqlite+aiosqlite:///{root}/prefect.db")


@follows("expected an address (https://…), found … in")
def no_address_of_a_webhook(root: Path) -> Iterator[str]:
    seen = caught(find_address, "env:OUR_WEBHOOK")
    yield seen
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            re.findall(r"the environment variable (\w+)\. Set it", seen)[0], "https://a.b/c"
        )
        assert find_address("env:OUR_WEBHOOK") == "https://a.b/c"


@follows("names a Prefect server that doesn't answer")
def a_server_that_is_gone(root: Path) -> Iterator[str]:
    seen = me.refused("PREFECT_API_URL=http://127.0.0.1:1/api pipeline run")
    yield seen
    me.do(f"{told_after(seen, 'Or do without: ')}; pipeline run")


@follows("Mend the variable PREFECT_… or the line of prefect.toml")
def an_impossible_setting(root: Path) -> Iterator[str]:
    yield me.refused("PREFECT_API_REQUEST_TIMEOUT=soon pipeline run")
    me.do("PREFECT_API_REQUEST_TIMEOUT=60 pipeline run")


def test_every_message_with_a_remedy_has_a_case_and_no_case_is_of_the_past() -> None:
    texts = collect(FOLDERS, _REMEDY)
    names = {text for text in texts if re.fullmatch(r"pipeline [a-z]+", text)}
    cases.compare(texts - names, ELSEWHERE, HINTS)


@pytest.mark.parametrize("case", dict.fromkeys(cases.values()), ids=lambda case: case.__name__)
def test_who_does_what_the_message_says_gets_on(case: Case, root: Path) -> None:
    cases.run(case, root)
