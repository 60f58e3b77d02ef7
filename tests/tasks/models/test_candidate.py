"""The gate on real files: a small trained model, judged on real images."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tasks.core import paths
from tasks.core.dataset import Selection, SplitName, save_splits
from tasks.core.seal import seal
from tasks.evaluate import stage as evaluate
from tasks.images.statistics import hash_images
from tasks.models.card import version_of
from tasks.models.decide import run_gate
from tasks.models.gate import Verdict, describe
from tasks.models.parameters import GateParameters
from tasks.models.store import CHAMPIONS, champion_folder, read_record, roll_back
from tasks.runner.errors import InputError
from tests.conftest import write_parameters
from tests.tasks.predict.conftest import MODEL
from tests.tasks.report.conftest import real_splits

LIMITS = GateParameters(
    min_accuracy=None,
    min_recall=None,
    max_calibration_error=None,
    accepts="better",
    margin=0.02,
    significance=0.05,
    max_f1_loss=0.02,
    keep=3,
)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_parameters: dict) -> dict:
    """A folder with images and a candidate that was trained on none of them."""
    monkeypatch.chdir(tmp_path)
    save_images(range(100))
    shutil.copytree(MODEL, paths.CANDIDATE)
    np.save(paths.SEEN_IMAGES, np.empty(0, np.uint64))
    seal(paths.CANDIDATE)
    write_parameters(Path(), small_parameters)
    return small_parameters


def save_images(which: range) -> None:
    shutil.rmtree(paths.RAW, ignore_errors=True)
    splits: dict[SplitName, Selection] = {
        name: Selection(split, np.array(which if name == "test" else range(400)))
        for name, split in real_splits().items()
    }
    save_splits(paths.RAW, splits, origin=None)


def call_classes(parameters: dict, classes: list[str]) -> None:
    """Corrects the names of the classes, as a person who trains the same model again."""
    parameters["data"]["classes"] = classes
    write_parameters(Path(), parameters)
    card = json.loads(paths.MODEL_CARD.read_text("utf-8"))
    paths.MODEL_CARD.write_text(json.dumps(card | {"classes": classes}))
    seal(paths.CANDIDATE)


def judge() -> Verdict:
    evaluate.main()
    return run_gate(LIMITS)


def test_without_a_candidate_one_line_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"There is no model in models/candidate.*dvc repro"):
        run_gate(LIMITS)


def test_the_first_model_that_beats_guessing_is_the_champion_and_then_unchanged(
    data: dict,
) -> None:
    verdict = judge()
    assert verdict.decision == "accepted", describe(verdict)
    assert champion_folder() == CHAMPIONS / version_of(paths.CANDIDATE)
    assert judge().decision == "unchanged"


def test_corrected_names_of_classes_are_another_model_that_is_compared_by_name(
    data: dict,
) -> None:
    """The labels are right under the corrected names: the champion had two of them exchanged."""
    right = data["data"]["classes"]
    call_classes(data, [right[1], right[0], *right[2:]])
    first = judge()
    call_classes(data, right)
    second = judge()
    assert second.version != first.version
    assert second.decision == "accepted"
    assert "matched by name" in describe(second)
    assert read_record().current == second.version


def test_a_champion_is_not_judged_on_images_that_it_was_trained_on(data: dict) -> None:
    images = real_splits()["test"].images
    save_images(range(40))
    np.save(paths.SEEN_IMAGES, np.unique(hash_images(images[40:90])))
    seal(paths.CANDIDATE)
    judge()
    save_images(range(100))
    card = json.loads(paths.MODEL_CARD.read_text("utf-8"))
    paths.MODEL_CARD.write_text(json.dumps(card | {"temperature": 2}))
    np.save(paths.SEEN_IMAGES, np.empty(0, np.uint64))
    seal(paths.CANDIDATE)
    verdict = judge()
    sentences = " ".join(reason.sentence for reason in verdict.reasons)
    assert "50 of 100 test images were left out" in sentences
    assert "judged anew" in sentences
    assert "on the same 50 images" in sentences


def test_a_persons_reason_is_kept_also_where_the_gate_accepts(data: dict) -> None:
    evaluate.main()
    assert run_gate(LIMITS, because="the shop opens").decision == "accepted"
    (event,) = read_record().events
    assert event.what == "promoted"
    assert event.reason.startswith("the shop opens (the gate: accepted: ")


def test_a_damaged_champion_stops_the_gate_and_a_person_may_promote_the_same_model_again(
    data: dict,
) -> None:
    version = judge().version
    (CHAMPIONS / version / "classifier.tflite").write_bytes(b"?")
    with pytest.raises(InputError, match=r"can't be used.*promote the candidate: pipeline"):
        run_gate(LIMITS)
    verdict = run_gate(LIMITS, because="the disk lost it")
    assert "can't be compared with" in describe(verdict)
    assert champion_folder() == CHAMPIONS / version


def test_a_lost_record_stops_the_gate_removes_nothing_and_a_person_goes_on(data: dict) -> None:
    version = judge().version
    (CHAMPIONS / "champion.json").unlink()
    with pytest.raises(InputError, match=r"rollback --to VERSION --because REASON"):
        run_gate(LIMITS)
    roll_back(version, reason="it was in use", time="2026-01-01")
    assert run_gate(LIMITS).decision == "unchanged"
