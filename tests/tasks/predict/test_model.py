"""The model that predicts is the one that was asked for, and the one that was sealed."""

import shutil
from pathlib import Path

import pytest

from tasks.core.seal import read_seal, seal
from tasks.models.card import version_of
from tasks.models.store import Event, promote
from tasks.predict.model import load_model
from tasks.runner.errors import InputError
from tests.tasks.predict.conftest import MODEL


def test_without_a_champion_nothing_takes_its_place_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(MODEL, "models/candidate")
    for name in (None, "champion"):
        with pytest.raises(InputError, match=r"no champion yet.*--model candidate"):
            load_model(name, num_threads=1)
    assert load_model("candidate", num_threads=1).folder == Path("models/candidate")
    version = version_of(MODEL)
    files = {MODEL / name: sha256 for name, sha256 in read_seal(MODEL, remedy="").items()}
    promote(Event("promoted", version, None, "2026-01-01", "gate", "good"), files)
    assert load_model(None, num_threads=1).folder == Path("models/champion") / version
    with pytest.raises(InputError, match="no model in elsewhere"):
        load_model("elsewhere", num_threads=1)


def test_a_card_that_does_not_say_what_the_model_takes_is_refused(tmp_path: Path) -> None:
    shutil.copytree(MODEL, tmp_path / "model")
    (tmp_path / "model" / "card.json").write_text('{"classes": ["a", "b"], "input": "images"}')
    seal(tmp_path / "model")
    with pytest.raises(InputError, match=r"doesn't say what images .*: dvc repro"):
        load_model(str(tmp_path / "model"), num_threads=1)


@pytest.mark.parametrize("name", ["classifier.tflite", "card.json"])
def test_a_damaged_model_is_refused(name: str, tmp_path: Path) -> None:
    shutil.copytree(MODEL, tmp_path / "model")
    (tmp_path / "model" / name).write_bytes(b"damaged")
    with pytest.raises(InputError, match=f"{name} is damaged"):
        load_model(str(tmp_path / "model"), num_threads=1)


def test_a_model_without_its_reference_is_told_of_when_drift_is_judged(tmp_path: Path) -> None:
    shutil.copytree(MODEL, tmp_path / "model")
    (tmp_path / "model" / "reference.json").unlink()
    model = load_model(str(tmp_path / "model"), num_threads=1)
    with pytest.raises(InputError, match=r"reference\.json is damaged"):
        model.read_reference()
