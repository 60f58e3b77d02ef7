"""The registry hands out the champion, whatever happened to it, and says so where it doesn't."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tasks.core import paths
from tasks.core.files import sha256_of
from tasks.core.seal import SEAL_NAME, seal
from tasks.models.card import version_of
from tasks.models.store import CHAMPIONS, Event, promote, read_record, roll_back
from tasks.runner.errors import InputError
from tests.conftest import configure_dvc, environment
from workspace.registry import read_stage, register_champion

NOON = "2026-01-01T12:00:00+00:00"
PIPELINE = """
stages:
  train:
    cmd: mkdir -p models/candidate && cp source/* models/candidate
    deps: [source]
    outs:
      - models/candidate/SHA256SUMS
      - models/candidate/card.json
      - models/candidate/classifier.tflite
artifacts:
  classifier:
    path: models/candidate
    type: model
"""


def call(root: Path, *command: str) -> str:
    completed = subprocess.run(
        command, cwd=root, env=environment(), capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository whose one stage makes a model out of a folder."""
    root = tmp_path / "root"
    root.mkdir()
    call(root, "git", "init", "-q", "-b", "main")
    call(root, "git", "config", "user.name", "Test")
    call(root, "git", "config", "user.email", "test@example.invalid")
    call(root, "dvc", "init", "-q")
    configure_dvc(root)
    (root / "models").mkdir()
    (root / "dvc.yaml").write_text(PIPELINE)
    (root / ".gitignore").write_text("/models\n/source\n/.site\n")
    return root


def commit_model(root: Path, content: bytes) -> str:
    """Makes a model, the champion of it, and a commit; gives its version."""
    source = root / "source"
    source.mkdir(exist_ok=True)
    (source / paths.EXPORTED_MODEL.name).write_bytes(content)
    (source / paths.MODEL_CARD.name).write_text('{"classes": ["cat", "dog"]}')
    seal(source)
    call(root, "dvc", "repro", "-q")
    call(root, "git", "add", "-A")
    call(root, "git", "commit", "-qm", "a run")
    version = version_of(root / paths.CANDIDATE)
    champions = root / CHAMPIONS
    event = Event("promoted", version, read_record(champions).current, NOON, "gate", "good")
    promote(event, candidate_files(root), champions)
    return version


def candidate_files(root: Path) -> dict[Path, str]:
    files = (root / paths.CANDIDATE).iterdir()
    return {path: sha256_of(path) for path in files if path.name != SEAL_NAME}


def handed_out(root: Path) -> str:
    """The version that DVC gives to whoever asks for the champion."""
    target = root.parent / "fetched"
    shutil.rmtree(target, ignore_errors=True)
    call(
        root, "dvc", "artifacts", "get", str(root), "classifier", "--stage", "champion", "-o",
        str(target),
    )  # fmt: skip
    return version_of(target)


def test_the_registry_follows_promotion_and_rollback_and_repeats_nothing(root: Path) -> None:
    first = commit_model(root, b"first")
    assert list(register_champion(root)) == [
        "tagged classifier@v0.0.1",
        "tagged classifier#champion#1",
    ]
    assert list(register_champion(root)) == [
        "classifier@v0.0.1 is there already",
        "classifier@v0.0.1 is in the stage champion already",
    ]
    second = commit_model(root, b"second")
    assert read_stage(root) == first
    assert list(register_champion(root)) == [
        "tagged classifier@v0.0.2",
        "tagged classifier#champion#2",
    ]
    assert handed_out(root) == second

    roll_back(first, reason="wrong on dogs", by="ann", time=NOON, folder=root / CHAMPIONS)
    assert read_stage(root) == second
    assert list(register_champion(root)) == [
        "classifier@v0.0.1 is there already",
        "tagged classifier#champion#3",
    ]
    assert handed_out(root) == first


def test_tags_are_signed_where_git_signs_and_refused_where_it_cannot(root: Path) -> None:
    commit_model(root, b"first")
    key = root.parent / "key"
    for name, value in (("tag.gpgSign", "true"), ("gpg.format", "ssh")):
        call(root, "git", "config", name, value)
    call(root, "git", "config", "user.signingkey", str(key))
    with pytest.raises(InputError, match=r"tag\.gpgSign false"):
        list(register_champion(root))
    assert read_stage(root) is None
    call(root, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    for line in register_champion(root):
        tag = line.removeprefix("tagged ")
        assert "BEGIN SSH SIGNATURE" in call(root, "git", "cat-file", "tag", tag)
    assert read_stage(root) == read_record(root / CHAMPIONS).current
    assert handed_out(root) == read_stage(root)


def test_a_registration_that_was_cut_short_is_finished(root: Path) -> None:
    commit_model(root, b"first")
    assert len(list(register_champion(root))) == 2
    call(root, "git", "tag", "-d", "classifier#champion#1")
    assert list(register_champion(root)) == [
        "classifier@v0.0.1 is there already",
        "tagged classifier#champion#1",
    ]


def test_a_champion_of_an_earlier_commit_is_tagged_there(root: Path) -> None:
    first = commit_model(root, b"first")
    commit = call(root, "git", "rev-parse", "HEAD").strip()
    commit_model(root, b"second")
    roll_back(first, reason="wrong", by="ann", time=NOON, folder=root / CHAMPIONS)
    assert next(iter(register_champion(root))) == "tagged classifier@v0.0.1"
    assert call(root, "git", "rev-list", "-n", "1", "classifier@v0.0.1").strip() == commit


def test_a_clone_that_lacks_the_tags_is_told_how_to_get_them(root: Path) -> None:
    commit_model(root, b"first")
    assert len(list(register_champion(root))) == 2
    clone = root.parent / "clone"
    call(root.parent, "git", "clone", "-q", "--no-tags", str(root), str(clone))
    call(clone, "git", "config", "user.name", "Test")
    call(clone, "git", "config", "user.email", "test@example.invalid")
    shutil.copytree(root / CHAMPIONS, clone / CHAMPIONS)
    with pytest.raises(InputError, match="Fetch them first: git fetch origin --tags"):
        list(register_champion(clone))
    call(clone, "git", "fetch", "-q", "origin", "--tags")
    assert list(register_champion(clone)) == [
        "classifier@v0.0.1 is there already",
        "classifier@v0.0.1 is in the stage champion already",
    ]


def test_a_champion_that_no_commit_holds_is_not_registered(root: Path) -> None:
    first = commit_model(root, b"first")
    shutil.rmtree(root / CHAMPIONS)
    (root / paths.EXPORTED_MODEL).unlink()
    (root / paths.EXPORTED_MODEL).write_bytes(b"another")
    version = version_of(root / paths.CANDIDATE)
    event = Event("promoted", version, None, NOON, "gate", "good")
    promote(event, candidate_files(root), root / CHAMPIONS)
    with pytest.raises(InputError, match=rf"is {version}, but no commit .* HEAD holds {first}"):
        list(register_champion(root))
