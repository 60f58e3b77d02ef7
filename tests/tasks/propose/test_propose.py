"""A proposal holds what was found in the images, and the images pass it."""

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tasks.propose.__main__ import propose
from tasks.propose.limits import propose_recipe, round_down, round_shares, round_up
from tasks.propose.sections import replace_sections, replace_values
from tasks.runner.errors import InputError
from tests.conftest import FIXTURE, PARAMETERS, PROJECT, read_parameters, typed
from tests.tasks.ingest.conftest import CLASSES, make_pixels, save_classes, save_image
from tests.tasks.ingest.test_npz import save
from workspace.check import check_parameters


@pytest.fixture(autouse=True)
def _among_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where what isn't about the data is taken from the tests' own params.yaml."""
    monkeypatch.chdir(PARAMETERS.parent)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_classes(tmp_path / "animals")
    return tmp_path / "animals"


def proposed(path: Path, output: Path) -> SimpleNamespace:
    propose(path, output)
    return SimpleNamespace(**check_parameters(output, PROJECT / "dvc.yaml"))


def test_imbalanced_folders_in_colour_with_faults_and_two_sizes(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, image in enumerate(make_pixels(40, seed=9, channels=3)):
        save_image(folder / "cat" / f"more-{number}.png", image)
    save_image(folder / "dog" / "large.png", make_pixels(1, seed=7)[0].repeat(2, axis=0))
    (folder / "eel" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    found = proposed(folder, tmp_path / "proposal.yaml")
    assert found.data.classes == CLASSES
    assert (found.data.height, found.data.width, found.data.channels) == (4, 5, 3)
    assert (found.data.train_images or 0) + (found.data.test_images or 0) == 89
    assert found.ingest.format == "folders"
    assert found.ingest.resize == "stretch"
    assert 1 / 90 <= found.ingest.max_faulty_share < 0.012
    assert found.validate.shares is not None
    np.testing.assert_allclose(found.validate.shares, np.array([56, 17, 16]) / 89, atol=1e-6)
    assert found.train.class_weights == "balanced"
    assert found.gate.min_accuracy is None
    assert f"left out: {folder}/eel/broken.png is neither a PNG nor" in capsys.readouterr().out


def test_what_is_not_about_the_data_is_kept_with_its_comments(folder: Path, tmp_path: Path) -> None:
    present = typed(read_parameters())
    found = proposed(folder, tmp_path / "proposal.yaml")
    for name in ("prepare", "evaluate", "report", "flow", "predict", "drift"):
        assert getattr(found, name) == getattr(present, name)
    text = (tmp_path / "proposal.yaml").read_text()
    assert "  confidence: 0.95 # of the interval around the accuracy\n" in text


def test_a_table_with_numbers_and_splits(folder: Path, tmp_path: Path) -> None:
    rows = [
        (f"{name}/0-{number}.png", label, "test" if number < 4 else "train", "Bern")
        for label, name in enumerate(CLASSES)
        for number in range(16)
    ]
    table = pd.DataFrame(rows, columns=["image", "label", "part", "town"])
    table.to_csv(folder / "table.csv", index=False)
    found = proposed(folder, tmp_path / "proposal.yaml")
    assert found.ingest.format == "table"
    assert (found.ingest.table, found.ingest.path_column) == ("table.csv", "image")
    assert (found.ingest.label_column, found.ingest.split_column) == ("label", "part")
    assert (found.ingest.labels, found.data.classes) == ("numbers", ("0", "1", "2"))
    assert (found.data.train_images, found.data.test_images) == (36, 12)


def test_numbers_that_do_not_count_from_0_are_names(folder: Path, tmp_path: Path) -> None:
    rows = [
        (f"{name}/0-{number}.png", 3 * label + 2)
        for label, name in enumerate(CLASSES)
        for number in range(16)
    ]
    rows[0] = ("cat/missing.png", 2)
    pd.DataFrame(rows, columns=["image", "label"]).to_csv(folder / "table.csv", index=False)
    found = proposed(folder / "table.csv", tmp_path / "proposal.yaml")
    assert found.ingest.format == "table"
    assert (found.ingest.labels, found.data.classes) == ("names", ("2", "5", "8"))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["cat"] * 48, r"holds 1 classes \(cat, …\); expected 2 to 256"),
        ([""] * 24 + ["cat"] * 24, "the class ''; expected a name in UTF-8"),
    ],
)
def test_a_table_without_classes_is_refused(
    folder: Path, tmp_path: Path, labels: list[str], message: str
) -> None:
    names = [f"{name}/0-{number}.png" for name in CLASSES for number in range(16)]
    pd.DataFrame({"image": names, "label": labels}).to_csv(folder / "table.csv", index=False)
    with pytest.raises(InputError, match=message):
        propose(folder, tmp_path / "proposal.yaml")


def test_labels_that_are_no_classes_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", train_labels=np.arange(30) * 10**9)
    with pytest.raises(InputError, match="holds the label 29000000000; expected 0 to 255"):
        propose(path, tmp_path / "proposal.yaml")


def test_a_folder_whose_name_is_not_utf_8_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / os.fsdecode(b"\xff")).mkdir()
    with pytest.raises(InputError, match=r"the class '\\udcff'; expected a name in UTF-8"):
        propose(folder, tmp_path / "proposal.yaml")


def test_an_npz_file_and_idx_files(tmp_path: Path) -> None:
    found = proposed(save(tmp_path / "a.npz", channels=3), tmp_path / "npz.yaml")
    assert (found.ingest.format, found.data.channels) == ("npz", 3)
    assert found.validate.shares is None
    found = proposed(FIXTURE, tmp_path / "idx.yaml")
    assert (found.ingest.format, len(found.data.classes)) == ("idx", 10)
    assert (found.data.height, found.data.train_images) == (28, 400)


def test_blank_and_bright_images_pass_limits_of_their_own(tmp_path: Path) -> None:
    """White margins, no black, an image without any contrast, a copy in the test images."""
    for number, name in enumerate(CLASSES):
        for part, seed in (("train", 0), ("test", 1)):
            for place, image in enumerate(make_pixels(9, seed=10 * seed + number)):
                margins = np.pad(image // 2 + 100, ((1, 1), (1, 1), (0, 0)), constant_values=250)
                save_image(tmp_path / "white" / part / name / f"{place}.png", margins)
    for part in ("train", "test"):
        blank = np.full((6, 7, 1), 250, np.uint8)
        save_image(tmp_path / "white" / part / "cat" / "blank.png", blank)
    limits = proposed(tmp_path / "white", tmp_path / "proposal.yaml").validate
    assert (limits.pixel_maximum, limits.max_constant_pixels, limits.min_spread) == (250, 22, 0.0)
    assert limits.max_leaked_share >= 1 / 28


@pytest.mark.parametrize(
    ("name", "message"),
    [("nowhere", "is no folder, and no .npz"), ("", "holds 1 folders of classes; expected 2")],
)
def test_what_is_no_source_is_refused(
    folder: Path, tmp_path: Path, name: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        propose(tmp_path / name, tmp_path / "proposal.yaml")


def test_a_file_that_is_there_is_not_overwritten(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "proposal.yaml").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        propose(folder, tmp_path / "proposal.yaml")


def test_sections_and_values_are_replaced_in_place() -> None:
    template = "# Head.\n\na: # first\n  x: 1 # one\n\nb:\n  y: 2 # two\n  z: 3 # three\n"
    text = replace_sections(template, {"a": {"w": (["p, q"], "new"), "v": (None, "")}})
    text = replace_values(text, "b", {"z": (4, "four")})
    assert text == (
        '# Head.\n\na: # first\n  w: ["p, q"] # new\n  v: null\n\nb:\n  y: 2 # two\n  z: 4 # four\n'
    )


def test_a_section_on_one_line_is_refused_with_the_remedy() -> None:
    template = "a: {v: 1} # first\nb:\n  x: 2\n"
    with pytest.raises(InputError, match=r"a: \{v: 1\}.*git checkout params\.yaml"):
        replace_sections(template, {"a": {"v": (3, "")}})
    with pytest.raises(InputError, match=r"a: \{v: 1\}.*git checkout params\.yaml"):
        replace_values(template, "a", {"v": (3, "")})
    assert replace_values(template, "b", {"x": (3, "")}).endswith("b:\n  x: 3\n")


@pytest.mark.parametrize(
    ("number", "size", "epochs"), [(40, 16, 60), (1400, 32, 21), (9**6, 256, 4)]
)
def test_small_data_sets_get_small_batches_and_more_epochs(
    number: int, size: int, epochs: int
) -> None:
    recipe = propose_recipe(np.arange(number) % 2)
    assert (recipe["batch_size"][0], recipe["epochs"][0]) == (size, epochs)


def test_shares_sum_to_one_and_limits_are_rounded_to_the_safe_side() -> None:
    assert abs(sum(round_shares(np.array([1, 1, 1, 4]))) - 1) < 1e-9
    assert (round_up(0.1234, 2), round_down(0.1299, 2)) == (0.13, 0.12)
