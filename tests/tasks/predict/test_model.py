"""The model that predicts is the one that was asked for, and the one that was sealed."""

import shutil
from pathlib import Path

import pytest

from tasks.models.card import version_of
from tasks.models.store import Event, promote
from tasks.predict.model import load_model
from tasks.runner.errors import InputError
from tests.tasks.predict.conftest import MODEL


def test_the_champion_comes_first_and_the_candidate_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no model in models/candidate"):
        load_model(None, num_threads=1)
    shutil.copytree(MODEL, "models/candidate")
    assert load_model(None, num_threads=1).folder == Path("models/candidate")
    with pytest.raises(InputError, match="no champion yet"):
        load_model("champion", num_threads=1)
    version = version_of(MODEL)
    promote(MODEL.iterdir(), Event("promoted", version, None, "2026-01-01", "good"))
    assert load_model(None, num_threads=1).folder == Path("models/champion") / version
    assert load_model("candidate", num_threads=1).folder == Path("models/candidate")


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
