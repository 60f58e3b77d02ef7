"""The gate on real files: a small trained model, judged on real images."""

import io
import json
import re
import shutil
from collections.abc import Callable
from functools import partial
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tasks.core import paths
from tasks.core.dataset import Selection, SplitName, save_splits
from tasks.core.seal import seal
from tasks.evaluate import stage as evaluate
from tasks.images.decode import decode_image
from tasks.images.errors import ImageError
from tasks.images.policy import ImagePolicy
from tasks.images.statistics import describe_images
from tasks.models import decide
from tasks.models.card import version_of
from tasks.models.data import describe_data, tell_changes
from tasks.models.decide import VERDICT_TEXT, promote_by_person, run_gate, tell_preparation
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
    promotes="automatically",
    keep=3,
)


AFTER_APPROVAL = LIMITS.model_copy(update={"promotes": "after_approval"})


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


def change_model(**card: object) -> None:
    """Another version, which was trained on none of the images."""
    content = json.loads(paths.MODEL_CARD.read_text("utf-8"))
    paths.MODEL_CARD.write_text(json.dumps(content | card))
    np.save(paths.SEEN_IMAGES, np.empty(0, np.uint64))
    seal(paths.CANDIDATE)


def judge(limits: GateParameters = LIMITS) -> Verdict:
    evaluate.main()
    return run_gate(limits)


def test_a_decision_while_the_candidate_is_judged_stands(
    data: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert judge(AFTER_APPROVAL).decision == "pending"

    def decide_meanwhile(*arguments: Any) -> Verdict:
        monkeypatch.undo()
        monkeypatch.chdir(here)
        promote_by_person(AFTER_APPROVAL, because="it is good", by="ann")
        return follow_up(*arguments)

    here, follow_up = Path.cwd(), decide._follow_up
    monkeypatch.setattr(decide, "_follow_up", decide_meanwhile)
    assert judge(AFTER_APPROVAL).decision == "unchanged"
    record = read_record()
    assert (record.current, record.waiting) == (version_of(paths.CANDIDATE), None)


def test_without_a_candidate_one_line_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"There is no model in models/candidate.*dvc repro"):
        run_gate(LIMITS)


@pytest.mark.parametrize("because", [None, "it is good"])
@pytest.mark.parametrize("content", [None, b"", b"cut"])
@pytest.mark.parametrize(
    "name", ["classifier.tflite", "reference.json", "seen_images.npy", "SHA256SUMS"]
)
def test_a_damaged_candidate_is_not_judged(
    data: dict, name: str, content: bytes | None, because: str | None
) -> None:
    evaluate.main()
    path = paths.CANDIDATE / name
    whole = path.read_bytes()
    path.unlink()
    if content is not None:
        path.write_bytes(whole[:-9] if content else b"")
    with pytest.raises(InputError, match=r"classifier\.tflite|is damaged|can't be read"):
        run_gate(LIMITS, because=because)
    assert read_record().current is None
    assert not VERDICT_TEXT.exists()
    path.write_bytes(whole)
    assert run_gate(LIMITS).decision == "accepted"


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../champion/notes", "no/file", "nothing"])
def test_whatever_a_damaged_seal_names_only_the_candidate_is_to_be_removed(
    data: dict, name: str
) -> None:
    evaluate.main()
    with (paths.CANDIDATE / "SHA256SUMS").open("a") as file:
        file.write(f"{0:064}  {name}\n")
    with pytest.raises(InputError) as refused:
        run_gate(LIMITS)
    assert re.findall(r"rm -r (\S+)", str(refused.value)) == ["models/candidate;"]


def test_what_somebody_put_beside_the_candidate_is_not_promoted(data: dict) -> None:
    (paths.CANDIDATE / "mine").mkdir()
    champion = CHAMPIONS / judge().version
    assert {path.name for path in champion.iterdir()} == {
        *("SHA256SUMS", "card.json", "classifier.tflite", "evaluation.json", "images.parquet"),
        *("predictions.parquet", "reference.json", "seen_images.npy"),
    }


def say_what_is_right(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(predicted=table["label"])


def be_sure(table: pd.DataFrame) -> pd.DataFrame:
    """Of the same answers, and thereby better calibrated or worse."""
    names = [name for name in table if str(name).startswith("probability: ")]
    sure = np.eye(len(names), dtype=np.float32)[table["predicted"]]
    return table.assign(confidence=np.float32(1), **dict(zip(map(str, names), sure.T, strict=True)))


def forget_one(table: pd.DataFrame) -> pd.DataFrame:
    return table.iloc[:-1]


def give_no_number(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(confidence=np.float32("nan"), **{"probability: Bag": np.float32("nan")})


def sort_otherwise(table: pd.DataFrame) -> pd.DataFrame:
    return table.iloc[::-1].reset_index(drop=True)


def exchange_two_of_a_class(table: pd.DataFrame) -> pd.DataFrame:
    """Which changes no figure, but what a comparison image by image says."""
    one, other = table.index[table["label"] == table["label"][0]][:2]
    answers = table.columns.drop(["index", "label"])
    table.loc[[one, other], answers] = table.loc[[other, one], answers].to_numpy()
    return table


@pytest.mark.parametrize(
    "edit",
    [
        *(say_what_is_right, be_sure, forget_one, give_no_number, sort_otherwise),
        exchange_two_of_a_class,
    ],
)
def test_answers_from_which_the_figures_do_not_follow_are_not_judged(
    data: dict, edit: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    evaluate.main()
    edit(pd.read_parquet(paths.PREDICTIONS)).to_parquet(paths.PREDICTIONS, index=False)
    for because in (None, "it is good"):
        with pytest.raises(InputError, match=r"don't follow from the answers|can't be read"):
            run_gate(LIMITS, because=because)
    assert read_record().current is None
    assert judge().decision == "accepted"


@pytest.mark.parametrize("figure", ["accuracy", "expected_calibration_error", "num_images", "name"])
def test_figures_that_do_not_follow_from_the_answers_are_not_judged(
    data: dict, figure: str
) -> None:
    evaluate.main()
    content = json.loads(paths.EVALUATION.read_text("utf-8"))
    if figure == "name":
        content["classes"][0]["name"] = "another"
    else:
        content[figure] = type(content[figure])(1)
    paths.EVALUATION.write_text(json.dumps(content))
    with pytest.raises(InputError, match="don't follow from the answers"):
        run_gate(LIMITS)


def test_figures_that_another_processor_rounds_otherwise_are_judged(data: dict) -> None:
    evaluate.main()
    content = json.loads(paths.EVALUATION.read_text("utf-8"))
    paths.EVALUATION.write_text(json.dumps(content | {"loss": content["loss"] * (1 + 1e-12)}))
    assert run_gate(LIMITS).decision == "accepted"


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
    np.save(paths.SEEN_IMAGES, np.unique(describe_images(images[40:90])["content"]))
    seal(paths.CANDIDATE)
    judge()
    save_images(range(100))
    change_model(temperature=2)
    verdict = judge()
    sentences = " ".join(reason.sentence for reason in verdict.reasons)
    assert "50 of 100 test images were left out" in sentences
    assert "judged anew" in sentences
    assert "on the same 50 images" in sentences
    assert "on the 40 of these images that the champion's test set had, too" in sentences
    (told,) = verdict.changes
    assert told.startswith("test images: 60 came (")


@pytest.mark.parametrize(
    ("size", "background", "sentence"),
    [
        ("crop", None, r"size stretch → crop.*trained on: the two can't be compared"),
        ("refuse", [255], r"on the same 100 images"),
    ],
)
def test_where_pictures_are_prepared_otherwise_the_champions_images_are_not_recognised(
    data: dict, size: str, background: list[int] | None, sentence: str
) -> None:
    policy = json.loads(paths.MODEL_CARD.read_text("utf-8"))["input"]
    change_model(input=policy | {"size": "stretch"})
    save_images(range(40))
    judge()
    save_images(range(100))
    change_model(input=policy | {"size": size, "background": background})
    verdict = judge()
    assert re.search(sentence, " ".join(reason.sentence for reason in verdict.reasons))


def test_the_pixels_of_a_picture_are_the_same_under_policies_that_do_not_contradict() -> None:
    """Over all pairs of them; and of each pair that does, some picture has other pixels."""
    backgrounds: list[tuple[int, ...] | None] = [None, (0,), (255,)]
    policies = [
        ImagePolicy(size=size, background=background, white=white, height=6, width=6, channels=1)
        for size, background, white in product(
            ("refuse", "stretch", "fit", "crop"), backgrounds, (None, 500, 65535)
        )
        if (size, background) != ("fit", None)
    ]
    kinds = {name: list(map(partial(prepare, name), policies)) for name in PICTURES}
    for (first, then), (second, today) in combinations(enumerate(policies), 2):
        pairs = [(found[first], found[second]) for found in kinds.values()]
        differ = any(None not in pair and pair[0] != pair[1] for pair in pairs)
        assert differ == bool(tell_preparation(then, today)), (then, today)


def picture(mode: str, *, height: int, alpha: int = 255) -> bytes:
    """A picture of 6 columns, of a gradient."""
    levels = np.linspace(0, 400 if mode == "I;16" else 255, 6 * height).reshape(height, 6)
    image = Image.fromarray(levels.astype(np.uint16 if mode == "I;16" else np.uint8))
    if mode == "LA":
        image.putalpha(alpha)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


PICTURES = {
    "plain": picture("L", height=6),
    "tall": picture("L", height=15),
    "opaque": picture("LA", height=6),
    "transparent": picture("LA", height=6, alpha=9),
    "deep": picture("I;16", height=6),
}


def prepare(name: str, policy: ImagePolicy) -> bytes | None:
    try:
        return decode_image(PICTURES[name], name=name, policy=policy).tobytes()
    except ImageError:
        return None


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
    roll_back(version, reason="it was in use", by="ann", time="2026-01-01")
    assert run_gate(LIMITS).decision == "unchanged"


def test_with_approval_an_accepted_model_waits_and_a_person_promotes_what_was_judged(
    data: dict,
) -> None:
    verdict = judge(AFTER_APPROVAL)
    assert verdict.decision == "pending"
    assert champion_folder() is None
    page = VERDICT_TEXT.read_text("utf-8")
    assert f"is {verdict.version} to be the champion?" in page
    assert judge(AFTER_APPROVAL).decision == "pending"
    change_model(temperature=2)  # a later run, whose model is no better than guessing
    strict = AFTER_APPROVAL.model_copy(update={"min_accuracy": 1.0})
    assert judge(strict).decision == "rejected"
    told = promote_by_person(AFTER_APPROVAL, because="looked at it", by="ann")
    assert told == f"**Approved**: {verdict.version}, by ann: looked at it"
    assert champion_folder() == CHAMPIONS / verdict.version
    (event,) = read_record().events
    assert (event.what, event.by) == ("promoted", "ann")
    assert event.reason.startswith("looked at it (accepted: ")


def test_a_person_may_prefer_the_candidate_to_what_waits(data: dict) -> None:
    waiting = judge(AFTER_APPROVAL).version
    change_model(temperature=2)
    judge(AFTER_APPROVAL.model_copy(update={"min_accuracy": 1.0}))
    with pytest.raises(InputError, match=rf"abc doesn't wait for a decision \({waiting} waits\)"):
        promote_by_person(AFTER_APPROVAL, because="?", by="ann", version="abc")
    candidate = version_of(paths.CANDIDATE)
    promote_by_person(AFTER_APPROVAL, because="better", by="ann", version=candidate)
    record = read_record()
    assert (record.current, record.events[-1].by) == (candidate, "ann")
    assert record.pending is not None


def test_a_champion_of_which_the_images_are_not_known_is_a_persons_decision(data: dict) -> None:
    champion = CHAMPIONS / judge().version
    (champion / "images.parquet").unlink()
    seal(champion)
    change_model(temperature=2)
    verdict = judge()
    assert verdict.decision == "rejected"
    assert "It isn't known which images" in describe(verdict)
    promote_by_person(LIMITS, because="it is better", by="ann")
    assert read_record().current == verdict.version


@pytest.mark.parametrize("content", [None, b"", b"cut"])
def test_a_champion_of_which_it_is_not_known_what_it_has_seen_is_a_persons_decision(
    data: dict, content: bytes | None
) -> None:
    path = CHAMPIONS / judge().version / "seen_images.npy"
    whole = path.read_bytes()
    path.unlink()
    if content is not None:
        path.write_bytes(whole[: len(content) * 20])
    seal(path.parent)
    change_model(temperature=2)
    verdict = judge()
    assert verdict.decision == "rejected"
    assert "It isn't known on which images" in describe(verdict)


def test_what_waited_under_another_champion_is_no_plain_promotion(data: dict) -> None:
    """The record says that the gate has compared it with another one."""
    judge()
    change_model(temperature=2.0)
    evaluate.main()
    promote_by_person(LIMITS, because="mine", by="ann")
    rival = read_record().current
    change_model(temperature=3.0)
    waits = judge(AFTER_APPROVAL.model_copy(update={"accepts": "not_worse", "margin": 0.9})).version
    assert read_record().pending is not None
    roll_back(None, reason="poor", by="ann", time="2026-01-01T12:00:00+00:00")
    promote_by_person(LIMITS, because="it is better", by="ann")
    event = read_record().events[-1]
    assert (event.version, event.what) == (waits, "overridden")
    assert f", against {rival})" in event.reason


def test_what_waits_and_is_then_rejected_waits_no_longer(data: dict) -> None:
    version = judge(AFTER_APPROVAL).version
    strict = AFTER_APPROVAL.model_copy(update={"min_accuracy": 1.0})
    assert judge(strict).decision == "rejected"
    assert read_record().pending is None
    assert not (CHAMPIONS / version).exists()


def test_changed_data_are_told_in_numbers(data: dict) -> None:
    before = describe_data()
    after = before.copy()
    test = after.index[after["split"] == "test"]
    after.loc[test[:2], "label"] = "Bag"
    after.loc[test[2:3], "content"] += 1
    after.loc[after["split"] == "train", "mean"] += 10
    assert list(tell_changes(before, before)) == []
    brightness, images = tell_changes(before, after.drop(test[3:5]))
    labels = before.loc[test[:5], "label"].to_list()
    assert brightness.startswith("training images: brightness ")
    assert f"1 came ({labels[2]} 1)" in images
    assert "3 went (" in images
    changed = sum(label != "Bag" for label in labels[:2])
    assert f"{changed} changed their label (" in images
    assert f"{labels[0]} → Bag" in images


def test_one_black_pixel_is_no_change_where_there_was_none(data: dict) -> None:
    before = describe_data()
    training = before.index[before["split"] == "train"]
    before.loc[training, "zero_share"] = 0.0
    after = before.copy()
    after.loc[training[0], "zero_share"] = 1 / 784
    assert list(tell_changes(before, after)) == []


@pytest.mark.parametrize("is_readable", [True, False])
def test_a_champion_that_other_code_has_judged_is_compared_with(
    data: dict, is_readable: bool
) -> None:
    """Of its figures only the test images count, and it is judged anew where they aren't known."""
    champion = CHAMPIONS / judge().version
    path = champion / paths.EVALUATION.name
    content = json.loads(path.read_text("utf-8"))
    del content["macro_f1"]
    path.write_text(json.dumps(content if is_readable else {}))
    seal(champion)
    change_model(temperature=2)
    verdict = judge()
    assert verdict.champion == champion.name
    assert "images have changed" not in describe(verdict)
