"""A proposal holds what was found, passes the stages, and asks for what it can't know."""

import csv
import gzip
import io
import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Literal
from unicodedata import normalize

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from dvc.utils.serialize import dump_yaml, load_yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pyarrow import parquet

from tasks.core.dataset import load_split
from tasks.core.parameters import read_yaml
from tasks.images.policy import ImagePolicy
from tasks.images.sources import open_source
from tasks.ingest.stage import read_source, write_splits
from tasks.propose.limits import propose_gate, propose_recipe, round_down, round_shares, round_up
from tasks.propose.options import Options, make_parser
from tasks.propose.proposal import propose
from tasks.propose.sections import replace_sections
from tasks.runner.errors import InputError
from tests.conftest import FIXTURE, PROJECT, read_parameters, typed
from tests.fixtures.make import write_idx
from tests.tasks.ingest.conftest import CLASSES, make_pixels, save_classes, save_image
from tests.tasks.ingest.test_npz import LABELS, save
from workspace.check import check_parameters

HOSTILE = [
    *("a: b", "a:b", ":a", "a:", "?a", "? a", "- x", "-", "yes", "null", "true", "~", "1", "1e3"),
    *("0x1F", "1_000", "12:30", "2024-01-01", ".inf", "#x", "a #x", "[a]", "{a}", "&a", "*a", "!a"),
    *("%a", "@a", "`a", "'", '"', "\\", "a\tb", " a", "a ", "", "a,b", "<<", "=", "---", "|", ">"),
    *("a\nb", "\r", "\u2028", "\ufeff", "\x00", "\x7f", "a" * 300, "a: " * 99, "${a}"),
    *(normalize("NFC", "é"), normalize("NFD", "é"), "\N{WAVING HAND SIGN}"),
]


@pytest.fixture(autouse=True)
def _in_a_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shutil.copy(PROJECT / "tests" / "params.yaml", tmp_path / "params.yaml")
    shutil.copy(PROJECT / "dvc.yaml", tmp_path / "dvc.yaml")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_classes(tmp_path / "animals")
    return tmp_path / "animals"


def proposed(path: Path, **options: object) -> SimpleNamespace:
    output = Path(f"proposal-{len(list(Path().glob('proposal-*')))}.yaml")
    propose(str(path), output, Options(**options))  # pyright: ignore[reportArgumentType]
    return SimpleNamespace(**check_parameters(output, Path("dvc.yaml")))


def refused(path: Path, **options: object) -> str:
    """Why there is no proposal; nothing is left behind."""
    with pytest.raises(InputError) as caught:
        propose(str(path), Path("refused.yaml"), Options(**options))  # pyright: ignore[reportArgumentType]
    assert not [file for file in Path().iterdir() if file.name.startswith((".propose", "refused"))]
    return str(caught.value)


def rows_of(folder: Path, *, part: str = "", per_class: int = 16) -> list[list[str]]:
    """A row for each file of the folder: path, class, part."""
    return [
        [f"{name}/0-{number}.png", name, part or ("test" if number < 4 else "train")]
        for name in CLASSES
        for number in range(per_class)
    ]


def into_one_folder(folder: Path) -> Path:
    """The same files where no folder says the class: pictures/cat_0-0.png."""
    pictures = folder.parent / "set" / "pictures"
    pictures.mkdir(parents=True)
    for file in folder.glob("*/*.png"):
        shutil.copy(file, pictures / f"{file.parent.name}_{file.name}")
    return pictures.parent


def write(path: Path, rows: list[list], **options) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, **options).writerows(rows)
    return path


def flat_rows(**options) -> list[list[str]]:
    rows = rows_of(Path(), **options)
    return [[f"pictures/{name.replace('/', '_')}", kind, part] for name, kind, part in rows]


def test_imbalanced_folders_in_colour_with_a_fault_and_two_sizes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, image in enumerate(make_pixels(40, seed=9, channels=3)):
        save_image(folder / "cat" / f"more-{number}.png", image)
    save_image(folder / "dog" / "large.png", make_pixels(1, seed=7)[0].repeat(2, axis=0))
    (folder / "eel" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "eel" / ".hidden").touch()
    found = proposed(folder)
    assert found.data.classes == CLASSES
    assert (found.data.height, found.data.width, found.data.channels) == (4, 5, 3)
    assert (found.data.train_images, found.data.test_images) == (None, None)
    assert (found.ingest.format, found.ingest.size, found.ingest.background) == (
        *("folders", "fit"),
        (0,),
    )
    assert 1 / 90 <= found.ingest.max_faulty_share < 0.012
    assert found.validate.shares is not None
    np.testing.assert_allclose(found.validate.shares, np.array([56, 17, 16]) / 89, atol=1e-6)
    assert found.train.class_weights == "balanced"
    told = capsys.readouterr().out
    assert "left out, is damaged: 1" in told
    assert "left aside, hidden: 1" in told
    assert "3 classes" in told
    assert f"dvc add {folder}" in told


def test_what_is_not_about_the_data_is_kept_with_its_comments(folder: Path) -> None:
    present = typed(read_parameters())
    found = proposed(folder)
    for name in ("prepare", "evaluate", "report", "flow", "predict", "drift"):
        assert getattr(found, name) == getattr(present, name)
    text = Path("proposal-0.yaml").read_text("utf-8")
    assert "  confidence: 0.95 # of the interval around the accuracy\n" in text
    assert "\n\nprepare:\n" in text


@pytest.mark.parametrize(
    ("words", "num_test"),
    [
        (("Training", "Validation"), None),
        (("TRAIN", "dev", "Eval"), 48),
        (("train", "Testing"), 48),
    ],
)
def test_folders_called_like_parts_are_no_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], num_test: int | None
) -> None:
    for seed, word in enumerate(words):
        save_classes(tmp_path / "animals" / word, seed=seed)
    (tmp_path / "animals" / "__MACOSX" / "cat").mkdir(parents=True)
    assert proposed(tmp_path / "animals").data.classes == CLASSES
    told = capsys.readouterr().out
    assert f"together: {48 * len(words) - (num_test or 0)} + {num_test}" in told or not num_test


def test_parts_that_hold_different_folders_are_told_apart(tmp_path: Path) -> None:
    save_classes(tmp_path / "animals" / "train")
    save_classes(tmp_path / "animals" / "test", seed=1)
    (tmp_path / "animals" / "test" / "cat").rename(tmp_path / "animals" / "test" / "Cat")
    assert "test lacks cat; train lacks Cat" in refused(tmp_path / "animals")


def test_sizes_that_two_folders_do_not_share_are_those_that_predict_takes(tmp_path: Path) -> None:
    for name, first in (("cat", 20), ("dog", 50)):
        for number, image in enumerate(make_pixels(24, seed=first)):
            high, wide = first + number % 7, first + number % 5
            path = tmp_path / "pets" / name / f"{number}.png"
            save_image(path, image)
            Image.open(path).resize((wide, high)).save(path)
    found = proposed(tmp_path / "pets")
    source = open_source(tmp_path / "pets", ImagePolicy.of(found.data, found.ingest))
    (batch,) = source.batches(99)
    assert batch.errors == [None] * 48
    assert batch.pixels.shape == (48, found.data.height, found.data.width, 1)


def test_strips_keep_a_height_that_a_network_takes(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        for number, image in enumerate(make_pixels(24, seed=ord(name[0]))):
            wide = image.repeat(3, axis=0).repeat(150, axis=1)
            save_image(tmp_path / "strips" / name / f"{number}.png", wide)
    found = proposed(tmp_path / "strips")
    assert (found.data.height, found.data.width) == (8, 128)


def test_what_lies_there_instead_of_images_is_told(folder: Path, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "packed" / "animals"), "zip", folder)
    assert "the files there: animals.zip" in refused(tmp_path / "packed")
    assert "Unpack archives" in refused(tmp_path / "packed" / "animals.zip")
    for name in CLASSES:
        shutil.rmtree(folder / name)
        (folder / name).mkdir()
        (folder / name / "part-0.parquet").write_bytes(b"PAR1")
    assert "hold no pictures; left aside: a table: 1" in refused(folder)


def test_a_class_called_train_is_a_class(folder: Path) -> None:
    (folder / "eel").rename(folder / "train")
    assert proposed(folder).data.classes == ("cat", "dog", "train")


def test_folders_that_all_hold_the_same_folders_are_asked_about(tmp_path: Path) -> None:
    save_classes(tmp_path / "animals" / "lot 1")
    save_classes(tmp_path / "animals" / "lot 2", seed=1)
    assert "lot 1, lot 2 hold folders of the same names: cat, dog, eel. If they are parts" in (
        refused(tmp_path / "animals")
    )
    assert proposed(tmp_path / "animals", format="folders").data.classes == ("lot 1", "lot 2")
    (tmp_path / "animals" / "lot 1").rename(tmp_path / "animals" / "train")
    assert "lot 2 beside train" in refused(tmp_path / "animals")


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ("seg_train/seg_train/{} seg_test/seg_test/{} seg_pred/seg_pred", "of the same names: cat"),
        ("training_set/{} test_set/{} single_prediction", "test_set, training_set hold folders of"),
        ("training_set/{} single_prediction", "training_set hold cat, dog, eel"),
        ("TrainSet/{} more", "TrainSet hold cat"),
        ("testset/{} more", "testset hold cat"),
        ("a/a/{} b", "like what is in them, a hold a, cat, dog, eel"),
        ("berlin/berlin/{} paris/paris/{}", "berlin, paris hold folders of the same names: cat"),
        ("berlin/images/{} paris/pictures/{}", "of the same names: cat, dog, eel. If"),
        ("berlin/{} paris/{} elsewhere", "berlin, paris hold folders of the same names"),
        ("seg_train seg_test", "the folders seg_test, seg_train are called like parts"),
    ],
)
def test_what_may_be_parts_is_asked_about(tmp_path: Path, folders: str, message: str) -> None:
    """Kaggle's sets unpack so; `{}` stands for the folders of the classes."""
    for seed, name in enumerate(folders.split()):
        root = tmp_path / "animals" / name.removesuffix("{}")
        if "{}" in name:
            save_classes(root, seed=seed)
        else:
            for number, image in enumerate(make_pixels(16, seed=50 + seed)):
                save_image(root / f"{number}.png", image)
    assert message in refused(tmp_path / "animals")
    names = {name.partition("/")[0] for name in folders.split()}
    assert set(proposed(tmp_path / "animals", format="folders").data.classes) == names


@pytest.mark.parametrize("lacking", ["Cat", None])
def test_parts_that_hold_other_folders_each_are_asked_about_too(
    tmp_path: Path, lacking: str | None
) -> None:
    """A class that one has and another hasn't, or of which the case differs."""
    save_classes(tmp_path / "animals" / "lot 1")
    save_classes(tmp_path / "animals" / "lot 2", seed=1)
    for name in ("cat", "dog")[: 2 if lacking else 1]:
        folder = tmp_path / "animals" / "lot 2" / name
        folder.rename(folder.with_name(name.title())) if lacking else shutil.rmtree(folder)
    message = "eel" if not lacking else "Cat, Dog, cat, dog, eel"
    assert "hold folders of the same names: " in refused(tmp_path / "animals")
    assert message in refused(tmp_path / "animals")


def test_folders_in_those_of_the_classes_that_share_nothing_are_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inner = ["cat/persian", "cat/siamese", "dog/dog", "eel/moray"]
    for number, name in enumerate(inner):
        (folder / name).mkdir()
        file = folder / name / f"0-{number}.png"
        (file.parents[1] / file.name).rename(file)
    assert proposed(folder).data.classes == CLASSES
    told = "in those of the classes, and no classes: dog, moray, persian, siamese"
    assert told in capsys.readouterr().out


@pytest.mark.parametrize("beside", ["test", "extra"])
def test_a_part_beside_a_folder_without_classes_is_no_class(tmp_path: Path, beside: str) -> None:
    root = tmp_path / "animals"
    save_classes(root / "train")
    for number, image in enumerate(make_pixels(40, seed=9)):
        save_image(root / beside / f"{number}.png", image)
    assert "elsewhere" in refused(root)
    (root / beside).rename(tmp_path / "elsewhere")
    assert proposed(root).data.classes == CLASSES


def test_class_folders_win_over_a_table_that_lies_beside_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder / "classes.csv", [["index", "name"], *map(list, enumerate(CLASSES))])
    assert proposed(folder).ingest.format == "folders"
    assert "not read as table: " in capsys.readouterr().out
    write(folder / "classes.csv", [["file", "label"], *(row[:2] for row in rows_of(folder))])
    assert proposed(folder).ingest.format == "folders"
    rows = [[row[0], "ab"[number % 2]] for number, row in enumerate(rows_of(folder))]
    write(folder / "classes.csv", [["file", "label"], *rows])
    assert "--format folders, or --format table" in refused(folder)
    assert proposed(folder, format="table").data.classes == ("a", "b")


def test_sizes_that_all_differ_become_one_and_photographs_smaller(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = np.random.default_rng(0)
    for label, name in enumerate(("cat", "dog")):
        for number in range(24):
            size = (300 + 2 * number, 200 + label)
            pixels = generator.integers(0, 256, (*size, 1), np.uint8)
            save_image(tmp_path / "photographs" / name / f"{number}.png", pixels)
    found = proposed(tmp_path / "photographs")
    assert (found.data.height, found.ingest.size) == (128, "fit")
    assert 75 <= found.data.width <= 85
    assert "GiB of memory" in capsys.readouterr().out
    found = proposed(tmp_path / "photographs", size=(32, 40), fit="crop")
    assert (found.data.height, found.data.width, found.ingest.size) == (32, 40, "crop")


def test_what_can_not_be_used_is_told_with_the_option_that_would_take_it(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        for number, image in enumerate(make_pixels(24, seed=len(name) + ord(name[0]), channels=3)):
            alpha = np.full((4, 5, 1), 255, np.uint8)
            alpha[0, 0] = 0
            path = tmp_path / "emoji" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.dstack([image, alpha])).save(path)
    message = refused(tmp_path / "emoji")
    assert "is transparent in places: 48" in message
    assert "--background white" in message
    found = proposed(tmp_path / "emoji", background=(255, 255, 255))
    assert found.ingest.background == (255, 255, 255)


def test_a_share_of_faults_above_two_percent_is_no_proposal(folder: Path) -> None:
    (folder / "eel" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "eel" / "text.png").write_bytes(b"eel")
    message = refused(folder)
    assert "2 of 50 images can't be used" in message
    assert "is damaged: 1" in message


@pytest.mark.parametrize(
    ("names", "values", "column"),
    [
        (["path", "label", "split"], {"train": "Train", "test": "TEST"}, "split"),
        (["path", "breed", "part"], {"train": "valid", "test": "test"}, "part"),
        (["path", "y", "is_test"], {"train": "0", "test": "1"}, "is_test"),
        (["path", "target", "isTrain"], {"train": "True", "test": "False"}, "isTrain"),
        (["path", "emotion", "Usage"], {"train": "Training", "test": "PrivateTest"}, "Usage"),
    ],
)
def test_a_column_of_parts_is_used(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    names: list[str],
    values: dict[str, str],
    column: str,
) -> None:
    root = into_one_folder(folder)
    rows = [[path, kind, values[part]] for path, kind, part in flat_rows()]
    write(root / "labels.csv", [names, *rows])
    found = proposed(root)
    assert (found.ingest.label_column, found.ingest.split_column) == (names[1], column)
    assert "together: 36 + 12; test images: given" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("ending", [".png", ""])
def test_a_mac_names_files_otherwise_than_a_table(
    folder: Path, form: Literal["NFC", "NFD"], ending: str
) -> None:
    root = into_one_folder(folder)
    rows = []
    for path, kind, _ in flat_rows():
        name = f"{Path(path).stem} é"
        (root / path).rename(root / "pictures" / f"{normalize(form, name)}.png")
        rows.append([f"{'pictures/' if ending else ''}{name}{ending}", kind])
    for other in ("NFC", "NFD"):
        written = [[normalize(other, name), kind] for name, kind in rows]
        write(root / "labels.csv", [["file", "label"], *written])
        assert proposed(root).ingest.max_faulty_share == 0


def test_paths_may_begin_with_the_folders_own_name_and_tables_stand_beside_their_folders(
    folder: Path,
) -> None:
    root = into_one_folder(folder)
    rows = [[f"{root.name}\\{path}", kind] for path, kind, _ in flat_rows()]
    write(root / "LABELS [v2].CSV", [["path", "label"], *rows])
    found = proposed(root)
    assert found.ingest.file_names == "../{}"
    assert found.ingest.tables == {"train": ("LABELS [v2].CSV",)}
    (root / "LABELS [v2].CSV").unlink()
    for part in ("train", "test"):
        own = [row for row in flat_rows() if row[2] == part]
        for path, _, _ in own:
            (root / f"{part}_images").mkdir(exist_ok=True)
            (root / path).rename(root / f"{part}_images" / Path(path).name)
        write(root / f"{part}.csv", [["id", "label"], *([Path(a).stem, b] for a, b, _ in own)])
    (root / "pictures").rmdir()
    found = proposed(root)
    assert found.ingest.file_names == "{table}_images/{}.png"
    assert found.ingest.max_faulty_share == 0


def test_what_only_looks_like_one_column_of_labels_or_pixels_is_asked_about(folder: Path) -> None:
    root = into_one_folder(folder)
    flags = [[path, *(int(kind == name) for name in CLASSES)] for path, kind, _ in flat_rows()]
    write(root / "labels.csv", [["path", *CLASSES], *flags])
    assert "if one is 1 in each row, make one column of them" in refused(root)
    header = ["label", *(f"{colour}{number}" for colour in "rgb" for number in range(16))]
    pixels = np.random.default_rng(0).integers(0, 256, (30, 48)).tolist()
    write(root / "labels.csv", [header, *([n % 3, *row] for n, row in enumerate(pixels))])
    assert "3 columns that may hold images (r*, g*, b*)" in refused(root)
    assert "49 columns that may hold images (label, r0" in refused(root, path_column="nope*")
    write(root / "labels.csv", [["path", "label"], ["nowhere.png", "cat"]])
    assert "no column whose values name files that are there" in refused(root)


def test_labels_that_differ_in_case_alone_are_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = into_one_folder(folder)
    rows = [
        [path, kind.upper() if n % 2 else kind] for n, (path, kind, _) in enumerate(flat_rows())
    ]
    write(root / "labels.csv", [["path", "label"], *rows])
    assert len(proposed(root).data.classes) == 6
    assert "different in case alone: CAT, DOG, EEL, cat, dog, eel" in capsys.readouterr().out


def test_a_column_that_may_say_the_parts_is_asked_about(folder: Path) -> None:
    root = into_one_folder(folder)
    rows = [[path, kind, number % 4] for number, (path, kind, _) in enumerate(flat_rows())]
    write(root / "labels.csv", [["path", "label", "fold"], *rows])
    assert "--split-column 'fold' --test-values" in refused(root)
    found = proposed(root, split_column="fold", test_values=("3",))
    assert found.ingest.split_values == {"0": "train", "1": "train", "2": "train", "3": "test"}
    assert proposed(root, split_column="none").ingest.split_column is None


def test_several_columns_of_labels_are_asked_about(folder: Path) -> None:
    root = into_one_folder(folder)
    rows = [[path, kind, kind[0]] for path, kind, _ in flat_rows()]
    write(root / "labels.csv", [["path", "species", "class"], *rows])
    assert "2 columns that may hold labels (species, class)" in refused(root)
    assert proposed(root, label_column="class").data.classes == ("c", "d", "e")
    assert "--label-column" in refused(root, label_column="kind")


def test_ids_without_ending_long_captions_and_no_header_are_understood(folder: Path) -> None:
    root = into_one_folder(folder)
    caption = "a picture of an animal " * 20
    ids = [[Path(path).stem, kind, caption] for path, kind, _ in flat_rows()]
    write(root / "labels.csv", [["id", "breed", "caption"], *ids], delimiter=";")
    found = proposed(root)
    assert (found.ingest.file_names, found.ingest.header) == ("pictures/{}.png", True)
    write(root / "labels.csv", [row[:2] for row in flat_rows()], delimiter="\t")
    found = proposed(root)
    assert (found.ingest.header, found.ingest.image_column, found.ingest.label_column) == (
        *(False, "1"),
        "2",
    )


def test_the_first_row_of_a_table_without_a_header_is_an_image(
    folder: Path, tmp_path: Path
) -> None:
    root = into_one_folder(folder)
    flat = [row[:2] for row in flat_rows()]
    bare = [[Path(path).stem, kind] for path, kind in flat]
    for rows in (bare, [[f"set/{path}", kind] for path, kind in flat], [row[::-1] for row in bare]):
        write(root / "labels.csv", rows)
        found = proposed(root)
        assert found.ingest.header is False
    write(root / "labels.csv", [["pictures/gone.png", "cat"], *flat])  # a class is no header
    assert "1 of 49 images can't be used" in refused(root)
    images = enumerate(make_pixels(60))
    pixels = [[number % 3, " ".join(map(str, image.ravel()))] for number, image in images]
    table = write(folder / "pixels.csv", pixels)
    assert proposed(table, size=(4, 5)).ingest.header is False


def test_a_column_that_only_the_training_table_has_leaves_the_test_table_in(folder: Path) -> None:
    root = into_one_folder(folder)
    for part in ("train", "test"):
        rows = [row for row in flat_rows() if row[2] == part]
        more = [["path", "label", "remark"][: 2 + (part == "train")]]
        write(root / f"{part}.csv", [*more, *(row[: len(more[0])] for row in rows)])
    assert proposed(root).ingest.tables == {"train": ("train.csv",), "test": ("test.csv",)}


def test_test_values_are_values_of_a_column(folder: Path) -> None:
    root = into_one_folder(folder)
    rows = [[*row[:2], float(number % 5)] for number, row in enumerate(flat_rows())]
    table = write(root / "labels.csv", [["path", "label", "fold"], *rows])
    for value in ("4", "4.0"):
        found = proposed(table, split_column="fold", test_values=[value])
        assert found.ingest.split_values["4"] == "test"
    assert "the column fold holds 0, 1, 2, 3, … (5 in all)" in refused(
        table, split_column="fold", test_values=["4", "5"]
    )
    assert "not all" in refused(table, split_column="fold", test_values=list("01234"))
    assert "--split-column" in refused(table, split_column="none", test_values=["4"])


@pytest.mark.parametrize(
    ("words", "tests"),
    [
        (("train", "val"), ["val"]),
        (("train", "val", "test"), ["val"]),
        (("train", "val", "test"), ["val", "test"]),
        (("Train", "TEST"), ["Train"]),
    ],
)
def test_test_values_win_over_what_the_words_usually_mean(
    folder: Path, words: tuple[str, ...], tests: list[str]
) -> None:
    root = into_one_folder(folder)
    rows = [[*row[:2], words[number % len(words)]] for number, row in enumerate(flat_rows())]
    table = write(root / "labels.csv", [["path", "label", "split"], *rows])
    found = proposed(table, split_column="split", test_values=tests).ingest
    assert found.split_values == {word: "test" if word in tests else "train" for word in words}


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("p{}", {"part": lambda number: "test" if number % 4 == 0 else "train"}),
        ("p{}", {"patient": lambda number: number, "p": lambda number: number}),
        ("pixel{}", {"pixel_mean": lambda _: 7, "pixels": lambda _: ""}),
        ("{}x1", {"ax1": lambda number: number}),
        ("{}", {"remark": lambda _: "none"}),
    ],
)
def test_columns_of_pixels_are_those_with_a_number_for_the_star(
    tmp_path: Path, name: str, others: dict
) -> None:
    header = [*(name.format(number) for number in range(20)), "label", *others]
    rows = [
        [0, *image.ravel().tolist()[1:], CLASSES[n % 3], *(of(n // 3) for of in others.values())]
        for n, image in enumerate(make_pixels(60))
    ]
    (tmp_path / "set").mkdir()
    table = write(tmp_path / "set" / "pixels.csv", [header, *rows])
    ingest = proposed(table, size=(4, 5)).ingest
    assert (ingest.images, ingest.header, ingest.label_column) == ("pixels", True, "label")
    assert ingest.split_column == ("part" if "part" in others else None)
    assert ingest.max_faulty_share == 0


def test_numbers_that_count_on_are_a_header_unless_they_name_files(folder: Path) -> None:
    root = into_one_folder(folder)
    rows = [[path, CLASSES.index(kind)] for path, kind, _ in flat_rows()]
    table = write(root / "labels.csv", [[0, 1], *rows])
    found = proposed(table).ingest
    assert (found.header, found.image_column, found.label_column) == (True, "0", "1")
    for number, (path, _) in enumerate(rows):
        (root / path).rename(root / "pictures" / f"{number}.png")
    table = write(root / "labels.csv", [[number, kind] for number, (_, kind) in enumerate(rows)])
    assert proposed(table, path_column="1").ingest.header is False


def of_bare_names(folder: Path, *folders: str) -> Path:
    """A folder for the same names, with other pictures in each, and a table of these names."""
    root = folder.parent / "set"
    for seed, name in enumerate(folders):
        for number, image in enumerate(make_pixels(48, seed=seed)):
            save_image(root / name / f"im{number}.png", image)
    rows = [[f"im{number}", CLASSES[number % 3]] for number in range(48)]
    write(root / "labels.csv", [["id", "label"], *rows])
    return root


def test_names_of_files_in_two_folders_are_asked_about(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = of_bare_names(folder, "images", "masks")
    message = refused(root / "labels.csv")
    assert "--file-names 'images/{}.png'" in message
    assert "--file-names 'masks/{}.png'" in message
    assert "Which are the classes?" in refused(root)
    assert "--file-names" in refused(root, format="table")
    found = proposed(root, format="table", file_names="images/{}.png")
    assert found.ingest.file_names == "images/{}.png"
    assert "each file is images/{}.png" in capsys.readouterr().out
    assert "no column whose values name files" in refused(root / "labels.csv", file_names="a/{}")
    for file in list((root / "masks").iterdir())[20:]:  # masks of less than half of them
        file.unlink()
    assert proposed(root / "labels.csv").ingest.file_names == "images/{}.png"
    with pytest.raises(SystemExit):
        make_parser().parse_args(["a", "b", "--file-names", "images"])


def test_files_that_are_no_pictures_or_only_begin_so_do_not_compete(folder: Path) -> None:
    root = of_bare_names(folder, "pictures")
    for number in range(48):
        (root / "pictures" / f"im{number}.xml").write_text("<annotation/>")
        (root / "pictures" / f"im{number}.txt").write_text("0 0.5 0.5")
    assert proposed(root / "labels.csv").ingest.file_names == "pictures/{}.png"
    rows = [[f"im{number}.png", CLASSES[number % 3]] for number in range(48)]
    write(root / "labels.csv", [["id", "label"], *rows])
    (root / "more").mkdir()
    for number in range(48):
        shutil.copy(folder / "cat" / "0-0.png", root / "more" / f"im{number}.png.png")
    assert proposed(root / "labels.csv").ingest.file_names == "pictures/{}"


def test_the_name_of_a_table_stands_for_its_folder_where_nothing_else_can(folder: Path) -> None:
    root = of_bare_names(folder, "train", "test")
    (root / "labels.csv").unlink()
    rows = [[f"im{number}", CLASSES[number % 3]] for number in range(48)]
    write(root / "train.csv", [["id", "label"], *rows[:36]])
    write(root / "test.csv", [["id", "label"], *rows[36:]])
    message = refused(root, format="table")
    for way in ("{table}/{}.png", "train/{}.png", "test/{}.png"):
        assert f"--file-names '{way}'" in message
    for number in range(48):
        (root / ("test" if number < 36 else "train") / f"im{number}.png").unlink()
    found = proposed(root, format="table").ingest
    assert (found.file_names, found.max_faulty_share) == ("{table}/{}.png", 0)
    write(root / "test.csv", [["id"], *(row[:1] for row in rows[36:])])
    assert proposed(root, format="table").ingest.file_names == "train/{}.png"


def test_tables_in_hidden_folders_are_left_aside_and_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = into_one_folder(folder)
    write(root / "train.csv", [["path", "label"], *(row[:2] for row in flat_rows())])
    for name in (".ipynb_checkpoints", "__MACOSX"):
        (root / name).mkdir()
        shutil.copy(root / "train.csv", root / name / "train-checkpoint.csv")
    assert proposed(root).ingest.tables == {"train": ("train.csv",)}
    told = capsys.readouterr().out
    assert "left aside: the table .ipynb_checkpoints/train-checkpoint.csv, hidden" in told
    assert "__MACOSX/train-checkpoint.csv, of a system or a program" in told


@pytest.mark.parametrize(
    ("names", "is_taken"),
    [
        (("train.csv", "train_small.csv"), False),
        (("train.csv", "train.jsonl"), False),
        (("train.csv", "training.csv"), False),
        (("train-0-of-2.csv", "train-1-of-2.csv"), True),
        (("train.csv", "val.csv"), True),
        (("first.parquet", "second.parquet"), False),
        (("0000.parquet", "0001.parquet"), True),
    ],
)
def test_tables_of_one_part_are_numbered(
    folder: Path, names: tuple[str, str], *, is_taken: bool
) -> None:
    root = into_one_folder(folder)
    for start, name in enumerate(names):
        rows = [row[:2] for row in flat_rows()[start::2]]
        frame = pd.DataFrame(rows, columns=["path", "label"])
        if name.endswith("csv"):
            frame.to_csv(root / name, index=False)
        elif name.endswith("jsonl"):
            frame.to_json(root / name, orient="records", lines=True)
        else:
            frame.to_parquet(root / name)
    if is_taken:
        assert proposed(root).ingest.tables == {"train": names}
    else:
        assert "several tables of one part" in refused(root)


def test_a_column_of_parts_beside_tables_of_parts_is_asked_about(folder: Path) -> None:
    root = into_one_folder(folder)
    header, rows = ["path", "label", "split"], flat_rows()
    tests = [row for row in rows if row[2] == "test"]
    write(root / "train.csv", [header, *rows])
    write(root / "test.csv", [header, *tests])
    assert "--split-column 'split' --test-values" in refused(root)
    assert "100% of the test images are training images" in refused(root, split_column="none")
    write(root / "train.csv", [header, *(row for row in rows if row not in tests)])
    found = proposed(root).ingest
    assert (found.split_column, tuple(found.tables)) == (None, ("train", "test"))


def test_images_that_occur_more_than_once_are_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = into_one_folder(folder)
    rows = flat_rows()
    tests = [row for row in rows if row[2] == "test"]
    trained = [row for row in rows if row[2] == "train"]
    again = [[*row[:2], "train"] for row in tests[:3]]
    write(root / "labels.csv", [["path", "label", "split"], *rows, *again, *trained[:10]])
    proposed(root)
    told = capsys.readouterr().out
    assert "25.0% of the test images are training images" in told
    assert "20.4% of a part's images repeat another" in told
    write(root / "labels.csv", [["path", "label", "split"], *rows])
    proposed(root)
    assert "more than once" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "values", "is_taken"),
    [
        ("test", "01", True),
        ("in_test", "01", True),
        ("isTestSet", ("False", "True"), True),
        ("Train", "10", True),
        ("for training", "10", True),
        ("train_test", "01", False),
        ("dataset_split", "01", False),
        ("is_valid", "01", False),
        ("split of data", ("train", ""), False),
        ("tvt", ("train", "test", ""), False),
        ("tvt", ("train", "test", "NA"), False),
    ],
)
def test_columns_called_like_parts_are_used_or_asked_about(
    folder: Path, name: str, values: tuple[str, ...], *, is_taken: bool
) -> None:
    root = into_one_folder(folder)
    of_train, of_test, *others = values
    more = [of_test if part == "test" else of_train for _, _, part in flat_rows()]
    more[5] = others[0] if others else more[5]
    rows = [[*row[:2], value] for row, value in zip(flat_rows(), more, strict=True)]
    table = write(root / "labels.csv", [["path", "label", name], *rows])
    if is_taken:
        found = proposed(table)
        assert found.ingest.split_column == name
        assert found.ingest.split_values[of_test] == "test"
    else:
        assert f"--split-column '{name}' --test-values" in refused(table)
    found = proposed(table, split_column=name, test_values=[of_train])
    assert found.ingest.split_values[of_train] == "test"
    assert proposed(table, split_column="none").ingest.split_column is None


def test_paths_that_lead_through_a_test_folder_are_asked_about(folder: Path) -> None:
    root = into_one_folder(folder)
    rows = []
    for path, kind, part in flat_rows():
        file = root / f"seg_{part}" / "small" / Path(path).name
        file.parent.mkdir(parents=True, exist_ok=True)
        (root / path).rename(file)
        rows.append([str(file.relative_to(root)), kind])
    table = write(root / "labels.csv", [["path", "label"], *rows])
    assert "12 of 48 paths in the column path lead through a folder" in refused(table)
    assert proposed(table, split_column="none").ingest.split_column is None
    trained = [row for row in rows if "seg_train" in row[0]]
    write(table, [["path", "label"], *trained])
    assert proposed(table).ingest.split_column is None


def test_test_rows_without_labels_are_no_test(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = into_one_folder(folder)
    rows = [[path, kind if part == "train" else "", part] for path, kind, part in flat_rows()]
    table = write(root / "labels.csv", [["path", "label", "split"], *rows])
    assert "None of the 12 rows of the part test has a label" in refused(table)
    assert proposed(table, split_column="none").ingest.split_column is None
    rows[0][1] = "cat"
    write(table, [["path", "label", "split"], *rows])
    assert "test: every class has images" in refused(table)
    for part in ("train", "test"):
        write(root / f"{part}.csv", [["path", "label"], *(r[:2] for r in rows[1:] if r[2] == part)])
    table.unlink()
    assert proposed(root).ingest.tables == {"train": ("train.csv",)}
    assert "left aside: test.csv, none of whose rows has a label" in capsys.readouterr().out


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_first_image_may_be_missing(tmp_path: Path, ending: str) -> None:
    (tmp_path / "set").mkdir()
    table = tmp_path / "set" / f"pixels.{ending}"
    pixels = [image.ravel().tolist() for image in make_pixels(60)]
    cells = [" ".join(map(str, cell)) for cell in pixels] if ending == "csv" else pixels
    frame = pd.DataFrame({"kind": CLASSES * 20, "pixels": [None, *cells[1:]]})
    frame.to_csv(table, index=False) if ending == "csv" else frame.to_parquet(table)
    found = proposed(table, size=(4, 5))
    assert (found.data.height, found.ingest.max_faulty_share) == (
        4,
        pytest.approx(1 / 60, abs=1e-3),
    )


def test_nested_pixels_have_the_size_that_they_have(folder: Path) -> None:
    images = make_pixels(60)
    kinds = [CLASSES[number % 3] for number in range(60)]

    def save_nested(*shape: int) -> Path:
        nested = [image.reshape(shape).tolist() for image in images]
        parquet.write_table(pa.table({"kind": kinds, "image": nested}), folder / "a.parquet")
        return folder / "a.parquet"

    for shape in ((2, 10), (2, 10, 1)):
        data = proposed(save_nested(*shape)).data
        assert (data.height, data.width, data.channels) == (2, 10, 1)
    assert "nested as 1 × 4 × 5" in refused(save_nested(1, 4, 5))
    assert "say something else" in refused(save_nested(4, 5), size=(5, 4))


def test_two_tables_are_two_parts_and_others_are_left_aside(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = into_one_folder(folder)
    for part in ("train", "test"):
        rows = [row[:2] for row in flat_rows() if row[2] == part]
        write(root / f"{part}.csv", [["path", "label"], *rows])
    write(root / "sample_submission.csv", [["id", "label"], ["1", "cat"]])
    found = proposed(root)
    assert found.ingest.tables == {"train": ("train.csv",), "test": ("test.csv",)}
    told = capsys.readouterr().out
    assert "left aside: the table sample_submission.csv" in told
    assert "together: 36 + 12; test images: given" in told
    # A test table without labels, as competitions have it.
    write(root / "test.csv", [["path"], ["pictures/cat_0-0.png"]])
    assert proposed(root).ingest.tables == {"train": ("train.csv",)}
    for part in ("train", "test"):
        (root / f"{part}.csv").rename(root / f"{part[:2]}.csv")
    assert "name one as PATH" in refused(root)


def test_a_table_most_of_whose_files_are_gone_is_refused(folder: Path) -> None:
    root = into_one_folder(folder)
    gone = [[f"pictures/gone_{number}.png", "cat"] for number in range(200)]
    write(root / "labels.csv", [["path", "label"], *(row[:2] for row in flat_rows()), *gone])
    assert "200 of 248 images can't be used" in refused(root)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["cat"] * 48, r"holds 1 classes (cat); expected 2 to 256"),
        ([""] * 30 + ["cat"] * 9 + ["dog"] * 9, "30 of 48 rows have no label in the column label"),
    ],
)
def test_a_table_without_classes_is_refused(folder: Path, labels: list[str], message: str) -> None:
    root = into_one_folder(folder)
    rows = [[row[0], label] for row, label in zip(flat_rows(), labels, strict=True)]
    write(root / "labels.csv", [["path", "label"], *rows])
    assert message in refused(root)


def test_numbers_that_do_not_count_from_0_are_names_and_whole_numbers_are_whole(
    folder: Path,
) -> None:
    root = into_one_folder(folder)
    table = pd.DataFrame(flat_rows(), columns=["image", "label", "part"]).drop(columns="part")
    numbers = table["label"].map(CLASSES.index).astype(float)
    table.assign(label=numbers).to_parquet(root / "labels.parquet")
    found = proposed(root)
    assert (found.ingest.labels, found.data.classes) == ("numbers", ("0", "1", "2"))
    table.assign(label=3 * numbers - 1).to_parquet(root / "labels.parquet")
    found = proposed(root)
    assert (found.ingest.labels, found.data.classes) == ("names", ("-1", "2", "5"))


def test_pixels_are_images_of_their_own_size(tmp_path: Path) -> None:
    root = tmp_path / "set"
    root.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (60, 36))
    header = ["label", *(f"{row}x{column}" for row in range(6) for column in range(6))]
    rows = [[number % 3, *image] for number, image in enumerate(pixels.tolist())]
    write(root / "mnist_train.csv", [header, *rows])
    found = proposed(root)
    assert (found.ingest.images, found.ingest.image_column) == ("pixels", "*x*")
    assert (found.data.height, found.data.width, found.data.channels) == (6, 6, 1)
    found = proposed(root, size=(4, 9))
    assert (found.data.height, found.data.width) == (4, 9)
    write(root / "mnist_train.csv", rows)
    assert "--label-column" in refused(root)
    assert proposed(root, label_column="1").ingest.header is False
    cells = [[row[0], " ".join(map(str, row[1:])), "Training"] for row in rows]
    write(root / "mnist_train.csv", [["emotion", "pixels", "Usage"], *cells])
    found = proposed(root)
    assert (found.ingest.image_column, found.ingest.label_column) == ("pixels", "emotion")
    cells = [[row[0], " ".join(map(str, row[1:36]))] for row in rows]
    write(root / "mnist_train.csv", [["emotion", "pixels"], *cells])
    assert "35 pixels, which is no square" in refused(root)


def test_files_inside_parquet_with_the_names_of_the_classes(tmp_path: Path) -> None:
    """As Hugging Face's own `datasets` 5.2.0 has written them, with `Dataset.to_parquet`."""
    shutil.copytree(FIXTURE.with_name("huggingface"), tmp_path / "set" / "data")
    found = proposed(tmp_path / "set")
    assert (found.ingest.images, found.ingest.labels) == ("bytes", "numbers")
    assert found.data.classes == ("cat", "dog", "eel")
    assert found.ingest.tables["test"] == ("data/test-00000-of-00001.parquet",)


@pytest.mark.parametrize("num_unlabelled", [12, 5])
def test_the_number_that_hugging_face_gives_what_has_no_label_is_no_class(
    tmp_path: Path, num_unlabelled: int
) -> None:
    """Of all rows of the test, which is left aside then, or of some."""
    folder = tmp_path / "set"
    names = ["cat", "dog"]
    save_numbered(folder, {"train.parquet": names, "test.parquet": names})
    table = parquet.read_table(folder / "test.parquet").slice(0, 12)
    labels = [-1 if row < num_unlabelled else row % 2 for row in range(12)]
    place = table.column_names.index("label")
    table = table.set_column(place, "label", pa.array(labels))
    parquet.write_table(table, folder / "test.parquet")
    found = proposed(folder)
    assert found.data.classes == ("cat", "dog")
    write_splits(read_source(found.ingest, found.data), tmp_path / "raw", data=found.data)
    splits = [load_split(name, tmp_path / "raw") for name in ("train", "test")]
    assert sum(len(split.labels) for split in splits) == 36 + 12 - num_unlabelled


def save_numbered(
    folder: Path, names: dict[str, list[str] | None], *, as_text: bool = False
) -> list[tuple[bytes, str]]:
    """Parquet as Hugging Face's, each with names of its own; gives each image's class."""
    truth = []
    folder.mkdir(exist_ok=True)
    for seed, (table, known) in enumerate(names.items()):
        rows = []
        for number, pixels in enumerate(make_pixels(36, seed=seed)):
            name = (known or CLASSES)[number % len(known or CLASSES)]
            file = io.BytesIO()
            Image.fromarray(pixels[..., 0]).save(file, "PNG")
            label = name if as_text else (known or CLASSES).index(name)
            rows.append({"image": {"bytes": file.getvalue(), "path": None}, "label": label})
            truth.append((pixels.tobytes(), name))
        feature = {"label": {"names": known, "_type": "ClassLabel"}}
        info = {"huggingface": json.dumps({"info": {"features": feature}})}
        written = pa.Table.from_pylist(rows)
        info = {} if as_text or not known else info
        parquet.write_table(written.replace_schema_metadata(info), folder / table)
    return sorted(truth)


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        (["cat", "dog", "eel"], ["dog", "eel"], "(0: dog, 1: eel; 2 in all) than in"),
        (["cat", "dog", "eel"], ["eel", "dog", "cat"], "(0: eel, 1: dog, 2: cat; 3 in all) than"),
        (["cat", "dog", "eel"], ["cat", "eel", "dog"], "(1: eel, 2: dog; 3 in all) than in"),
        (["cat", "dog"], ["cat", "dog", "eel"], "(2: eel; 3 in all) than in"),
        (["cat", "dog", "eel"], ["cat", "dog"], "(none is 2; 2 in all) than in"),
        (["eel", "dog", "cat"], ["eel", "dog", "cat"], None),
    ],
)
def test_tables_of_which_each_numbers_the_classes_otherwise_are_refused(
    tmp_path: Path, one: list[str], other: list[str], message: str | None
) -> None:
    first = "train-0.parquet"
    second = "test.parquet" if len(one) == len(other) else "train-1.parquet"
    truth = save_numbered(tmp_path / "set", {first: one, second: other})
    if message:
        assert message in refused(tmp_path / "set")
        truth = save_numbered(tmp_path / "set", {first: one, second: other}, as_text=True)
    found = proposed(tmp_path / "set")
    source = read_source(found.ingest, found.data)
    write_splits(source, tmp_path / "raw", data=found.data)
    splits = [load_split(name, tmp_path / "raw") for name in ("train", "test")]
    read = [
        (image.tobytes(), found.data.classes[label])
        for split in splits
        for image, label in zip(split.images, split.labels, strict=True)
    ]
    assert sorted(read) == truth


def test_a_later_table_that_numbers_the_classes_otherwise_is_refused_by_ingest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, list[str] | None] = {"train.parquet": list(CLASSES), "test.parquet": None}
    save_numbered(tmp_path / "set", names)
    found = proposed(tmp_path / "set")
    assert found.data.classes == CLASSES
    assert "numbers of the others: test.parquet" in capsys.readouterr().out
    save_numbered(tmp_path / "set", {"test.parquet": ["dog", "cat", "eel"]})
    with pytest.raises(InputError, match=r"other classes in .*test\.parquet \(0: dog"):
        read_source(found.ingest, found.data)


def test_a_table_of_json_in_each_part_with_more_than_a_label(tmp_path: Path) -> None:
    """As Hugging Face's `imagefolder` has it."""
    for part, number in (("train", 48), ("test", 18)):
        folder = tmp_path / "set" / part
        lines = []
        for place, image in enumerate(make_pixels(number, seed=number)):
            save_image(folder / f"{place:03}.png", image)
            more = {"objects": {"bbox": [[0, 0, 2, 2]], "categories": [1]}}
            line = {"file_name": f"{place:03}.png", "label": ["cat", "dog", "eel"][place % 3]}
            lines.append(json.dumps(line | more))
        (folder / "metadata.jsonl").write_text("\n".join(lines))
    found = proposed(tmp_path / "set")
    assert found.ingest.tables == {
        "train": ("train/metadata.jsonl",),
        "test": ("test/metadata.jsonl",),
    }
    assert (found.ingest.image_column, found.ingest.label_column) == ("file_name", "label")
    assert found.data.classes == ("cat", "dog", "eel")


def test_an_npz_file_has_the_counts_that_it_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = proposed(save(tmp_path / "a.npz", channels=3))
    assert (found.ingest.format, found.data.channels) == ("npz", 3)
    assert (found.data.train_images, found.data.test_images) == (60, 30)
    assert found.validate.shares is None
    path = save(tmp_path / "b.npz", train_labels=np.arange(30) * 10**9)
    assert "expected 2 to 256 that count on" in refused(path)
    more: dict = {"class_names": np.array(CLASSES), "test_x": None}
    proposed(save(tmp_path / "d.npz", **more))
    assert "an array of another name: 1 (class_names)" in capsys.readouterr().out
    more["test_x"] = LABELS
    assert "holds test_x" in refused(save(tmp_path / "d.npz", **more))
    odd = np.arange(30) % 3 * 2
    path = save(tmp_path / "c.npz", train_labels=odd, val_labels=odd, test_labels=odd)
    assert "none is 1: number them without a gap" in refused(path)


@pytest.mark.parametrize("names", ["letters-{}-{}-ubyte", "{}-{}.ubyte"])
def test_idx_files_have_names_of_their_own_and_labels_from_1(tmp_path: Path, names: str) -> None:
    root = tmp_path / "set"
    root.mkdir()
    for part, word in (("train", "train"), ("t10k", "t10k")):
        for kind in ("images-idx3", "labels-idx1"):
            content = gzip.decompress((FIXTURE / f"{part}-{kind}-ubyte.gz").read_bytes())
            name = names.format(word, kind.replace("-", "." if "." in names else "-"))
            path = root / (name.replace(".ubyte", "-ubyte") + ".gz")
            path.write_bytes(gzip.compress(content))
    found = proposed(root)
    assert (found.ingest.format, found.ingest.first_label) == ("idx", 0)
    assert (found.data.height, found.data.train_images) == (28, 400)
    for part in ("train", "t10k"):
        (labels,) = root.glob(f"*{part}*labels*")
        content = gzip.decompress(labels.read_bytes())
        write_idx(labels, np.frombuffer(content[8:], np.uint8) + 1)
    found = proposed(root)
    assert (found.ingest.first_label, found.data.classes[0]) == (1, "1")
    labels.unlink()
    assert "missing: test_labels" in refused(root)


def test_a_folder_whose_name_is_not_utf_8_is_refused(folder: Path) -> None:
    (folder / os.fsdecode(b"\xff")).mkdir()
    assert "expected a name in UTF-8" in refused(folder)


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
    limits = proposed(tmp_path / "white").validate
    assert (limits.max_constant_pixels, limits.min_spread) == (22, 0.0)
    assert limits.max_leaked_share >= 1 / 28


@pytest.mark.parametrize(
    ("lowest", "highest", "allowed", "reached"), [(0, 16, (0, 24), 11), (30, 238, (20, 255), 159)]
)
def test_limits_of_pixels_leave_room_for_images_to_come(
    tmp_path: Path, lowest: int, highest: int, allowed: tuple[int, int], reached: int
) -> None:
    for number, name in enumerate(CLASSES):
        for place in range(30):
            generator = np.random.default_rng([number, place])
            pixels = generator.integers(lowest, highest, (6, 7, 1), np.uint8)
            pixels[0, :2, 0] = lowest, highest
            save_image(tmp_path / "growing" / name / f"{place}.png", pixels)
    limits = proposed(tmp_path / "growing").validate
    assert (limits.pixel_minimum, limits.pixel_maximum) == allowed
    assert limits.min_highest == reached


def test_a_class_of_one_image_to_train_on_is_no_proposal(tmp_path: Path) -> None:
    for part, per_class in (("train", 1), ("test", 4)):
        save_classes(tmp_path / "animals" / part, per_class=per_class, seed=per_class)
    assert "expected classes with 2 images or more" in refused(tmp_path / "animals")


def test_what_is_no_source_is_refused(folder: Path, tmp_path: Path) -> None:
    assert f"There is no {tmp_path / 'nowhere'}; expected a folder" in refused(tmp_path / "nowhere")
    inner = tmp_path / "outer" / folder.name
    shutil.copytree(folder, inner)
    assert f"Is it {inner} that you mean?" in refused(inner.parent)


def test_a_file_inside_a_folder_that_is_no_source_is_named(tmp_path: Path) -> None:
    (tmp_path / "sets").mkdir()
    assert "there are no folders of classes" in refused(tmp_path / "sets")
    (tmp_path / "sets" / "blood.npz").touch()
    assert f"is it {tmp_path / 'sets' / 'blood.npz'} that you mean?" in refused(tmp_path / "sets")


def test_labels_in_both_forms_of_unicode_are_one_class(folder: Path) -> None:
    composed, taken_apart = (
        "caf\N{LATIN SMALL LETTER E WITH ACUTE}",
        "cafe\N{COMBINING ACUTE ACCENT}",
    )
    rows = [
        [file, {"cat": composed, "dog": taken_apart}.get(kind, kind)]
        for file, kind, _ in rows_of(folder)
    ]
    write(folder / "labels.csv", [["file", "label"], *rows])
    assert proposed(folder, format="table").data.classes == (composed, "eel")


def test_only_of_images_in_the_project_dvc_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = folder.parent / "project"
    project.mkdir()
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(name, project)
    monkeypatch.chdir(project)
    proposed(folder)
    told = capsys.readouterr().out
    assert "dvc add" not in told
    assert "cp proposal-0.yaml params.yaml" in told


def test_a_file_that_is_there_is_not_overwritten(folder: Path) -> None:
    Path("proposal.yaml").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        propose(str(folder), Path("proposal.yaml"), Options())
    assert Path("proposal.yaml").read_text() == "mine"
    Path("link.yaml").symlink_to("elsewhere.yaml")
    with pytest.raises(InputError, match="is there already"):
        propose(str(folder), Path("link.yaml"), Options())
    assert Path("link.yaml").is_symlink()


def test_a_source_inside_an_output_is_refused(folder: Path) -> None:
    shutil.copytree(folder, "data/raw/animals")
    assert "Move the images" in refused(Path("data/raw/animals"))


def test_a_table_whose_folder_is_the_project_is_refused() -> None:
    header = ["label", *(f"pixel{number}" for number in range(20))]
    rows = [[n % 3, *image.ravel().tolist()] for n, image in enumerate(make_pixels(60))]
    write(Path("pixels.csv"), [header, *rows])
    assert "Move the images, to data/source" in refused(Path("pixels.csv"), size=(4, 5))
    Path("data/source").mkdir(parents=True)
    Path("pixels.csv").rename("data/source/pixels.csv")
    assert proposed(Path("data/source/pixels.csv"), size=(4, 5)).ingest.path == "data/source"


def test_options_are_read_from_the_command_line() -> None:
    line = "a b --size 64x48 --background #ff8000 --test-values 3 4 --split-column fold"
    arguments = vars(make_parser().parse_args(line.split()))
    assert (arguments.pop("path"), arguments.pop("output")) == ("a", Path("b"))
    assert Options(**arguments) == Options(
        size=(64, 48), background=(255, 128, 0), test_values=["3", "4"], split_column="fold"
    )
    for wrong in ("--size 64", "--size 0x3", "--background purplish"):
        with pytest.raises(SystemExit):
            make_parser().parse_args(["a", "b", *wrong.split()])


def test_sections_and_values_are_replaced_in_place() -> None:
    template = "# Head.\n\na: # first\n  x: 1 # one\n\nb:\n  y: 2 # two\n  z: null # three\n"
    text = replace_sections(
        template,
        whole={"a": {"w": (["p, q"], "new"), "v": (None, "none")}},
        values={"b": {"y": (4, "four")}},
    )
    assert text == (
        "# Head.\n\na: # first\n  w: ['p, q'] # new\n  v: null # none\n\n"
        "b:\n  y: 4 # four\n  z: null # three\n"
    )


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(HOSTILE)
        | st.text(st.characters(codec="utf-8", exclude_characters="\x85"))
        | st.text(":?-#[]{}&*!|>%@'\"\\\t\n ,a1~"),
        min_size=1,
        unique=True,
    )
)
def test_every_name_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    """By our reader and by DVC's: a value of its own, in a list, or a key."""
    path, lock = (tmp_path_factory.mktemp("names") / f"{name}.yaml" for name in ("params", "lock"))
    section = {"in_list": (names, "one"), "keys": ({name: name for name in names}, "two")}
    section |= {f"value_{place}": (name, "three") for place, name in enumerate(names)}
    template = "a:\n  x: 1\n\nb:\n  y: 2\n  kept: ['a:b', \"?a\"] # as it is\n"
    text = replace_sections(template, whole={"a": section}, values={"b": {"y": (names, "")}})
    path.write_text(text, "utf-8")
    values = {key: value for key, (value, _) in section.items()}
    expected = {"a": values, "b": {"y": names, "kept": ["a:b", "?a"]}}
    dump_yaml(lock, load_yaml(path))  # as DVC keeps them in dvc.lock
    assert read_yaml(path) == load_yaml(path) == load_yaml(lock) == expected
    assert text.endswith("  kept: ['a:b', \"?a\"] # as it is\n")


def test_a_name_that_dvc_would_not_keep_is_refused(folder: Path) -> None:
    (folder / "eel").rename(folder / "ee\x85l")
    assert r"The name 'ee\x85l' holds U+0085" in refused(folder)
    (folder / "ee\x85l").rename(folder / "eel")
    assert proposed(folder).data.classes == CLASSES


def test_plain_words_and_paths_are_not_quoted() -> None:
    words = ["T-shirt/top", "Ankle boot", "/usr/share/sets", "../a_b.csv", "été"]
    text = replace_sections("a:\n  x: 1\n", whole={}, values={"a": {"x": (words, "")}})
    assert f"  x: [{', '.join(words)}]\n" in text


def test_folders_of_any_name_are_classes(tmp_path: Path) -> None:
    names = sorted(
        {normalize("NFC", name) for name in HOSTILE}
        - {"", "\x00", "a: " * 99, "a" * 300, ".inf", "~"}
    )
    root = tmp_path / "a: b, [#1]"
    for seed, name in enumerate(names):
        for number, image in enumerate(make_pixels(12, seed=seed)):
            save_image(root / name / f"{number}.png", image)
    found = proposed(root)
    assert set(found.data.classes) == set(names)
    assert (found.data.name, found.ingest.path) == (root.name, str(root))


@pytest.mark.parametrize("word", ["a:b", "?a", "{a}", "it's", "12:30"])
def test_columns_and_parts_of_any_name_are_kept(folder: Path, word: str) -> None:
    root = into_one_folder(folder).rename(folder.parent / word)
    rows = [[path, kind, word if part == "test" else "rest"] for path, kind, part in flat_rows()]
    write(root / f"{word}.csv", [[word, f"label {word}", f"split {word}"], *rows])
    options = {"label_column": f"label {word}", "split_column": f"split {word}"}
    ingest = proposed(root, test_values=(word,), **options).ingest
    assert (ingest.path, ingest.tables) == (str(root), {"train": (f"{word}.csv",)})
    assert (ingest.image_column, ingest.label_column) == (word, f"label {word}")
    assert ingest.split_values == {word: "test", "rest": "train"}


def test_a_path_that_no_file_can_have_is_a_row_that_is_told(folder: Path) -> None:
    root = into_one_folder(folder)
    write(
        root / "labels.csv", [["path", "label"], *(row[:2] for row in flat_rows()), ["\0", "cat"]]
    )
    assert r"1 rows of the table have paths that can't be used: '" in refused(root)


@pytest.mark.parametrize(
    ("number", "size", "epochs"), [(40, 16, 60), (1400, 32, 21), (9**6, 256, 4)]
)
def test_small_data_sets_get_small_batches_and_more_epochs(
    number: int, size: int, epochs: int
) -> None:
    recipe = propose_recipe(np.arange(number) % 2)
    assert (recipe["batch_size"][0], recipe["epochs"][0]) == (size, epochs)


@pytest.mark.parametrize(
    ("number", "recall", "lowest"), [(10_000, 0.68, 0.83), (10_000, 0.1, 0.54), (24, 1.0, 0.79)]
)
def test_the_gate_asks_for_half_the_mistakes_of_a_guess(
    number: int, recall: float, lowest: float
) -> None:
    labels = np.arange(number) % 10
    assert propose_gate(labels, centroid_recall=recall)["min_accuracy"][0] == lowest


def test_shares_sum_to_one_and_limits_are_rounded_to_the_safe_side() -> None:
    assert abs(sum(round_shares(np.array([1, 1, 1, 4]))) - 1) < 1e-9
    assert (round_up(0.1234, 2), round_down(0.1299, 2)) == (0.13, 0.12)
