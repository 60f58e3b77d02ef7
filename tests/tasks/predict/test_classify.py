"""A table of predictions has a row for every image, and nothing is written in part."""

import csv
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet
from pyarrow.csv import write_csv

from tasks.images.errors import Tally
from tasks.images.sources import open_source
from tasks.predict.classify import Summary, classify_into, describe_problems, describe_summary
from tasks.predict.images import open_images
from tasks.predict.model import Model
from tasks.predict.table import make_schema, open_writer, write_note
from tasks.runner.errors import InputError


def classify(images: Path, output: Path, model: Model, batch_size: int = 2) -> Summary:
    source = open_images(str(images), model.policy)
    counts: list[int] = []
    summary = classify_into(
        output, source, model, batch_size=batch_size, measure=False, on_images=counts.append
    )
    assert sum(counts) == summary.num_images
    return summary


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_the_table_says_what_the_model_says_of_every_image(
    ending: str, tmp_path: Path, model: Model, images: np.ndarray
) -> None:
    np.save(tmp_path / "images.npy", images)
    output = tmp_path / f"table.{ending}"
    classify(tmp_path / "images.npy", output, model, batch_size=64)
    table = pd.read_parquet(output) if ending == "parquet" else pd.read_csv(output)
    expected = model.classifier.predict(images)
    names = [f"probability: {name}" for name in model.classes]
    assert list(table) == ["image", "label", "confidence", *names, "model", "error"]
    np.testing.assert_allclose(table[names].to_numpy(), expected, atol=1e-6)
    assert list(table["label"]) == [model.classes[best] for best in expected.argmax(axis=1)]
    np.testing.assert_allclose(table["confidence"], expected.max(axis=1), atol=1e-6)
    assert set(table["model"]) == {model.version}
    assert list(table["error"].isna()) == [True] * 100


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_broken_image_is_a_row_with_an_error_and_without_a_label(
    ending: str, tmp_path: Path, model: Model, pictures: Path
) -> None:
    (pictures / "b.png").write_text("no picture")
    output = tmp_path / f"table.{ending}"
    summary = classify(pictures, output, model)
    table = pd.read_parquet(output) if ending == "parquet" else pd.read_csv(output)
    assert list(table["image"]) == ["a.png", "b.png", "c.npy", "deeper/b.jpg"]
    assert list(table["error"].notna()) == [False, True, False, False]
    for column in ("label", "confidence", "probability: Dress"):
        assert list(table[column].notna()) == [True, False, True, True]
    assert (summary.num_images, summary.num_errors) == (4, 1)


def test_a_folder_without_a_single_readable_image_gives_a_table_of_errors(
    tmp_path: Path, model: Model
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(7):
        (folder / f"{number}.png").write_text("no picture")
    summary = classify(folder, tmp_path / "table.parquet", model)
    assert pd.read_parquet(tmp_path / "table.parquet")["error"].notna().all()
    assert describe_summary(summary, Path("table.parquet"), model).startswith("0 of 7 images")
    assert list(describe_problems(summary, Tally()))[5:] == ["error: 7 in all, each in its row"]


def test_the_name_of_a_file_is_one_field_whatever_it_holds(tmp_path: Path, model: Model) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / 'a "b", c.png').write_text("no picture")
    classify(folder, tmp_path / "table.csv", model)
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as file:
        assert [row["image"] for row in csv.DictReader(file)] == ['a "b", c.png']


def test_a_source_that_breaks_halfway_leaves_the_earlier_table(
    tmp_path: Path, model: Model, images: np.ndarray
) -> None:
    path, output = tmp_path / "images.npy", tmp_path / "table.parquet"
    np.save(path, images)
    classify(path, output, model)
    before = output.read_bytes()
    source = open_source(path, model.policy)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InputError, match="ends after"):
        classify_into(output, source, model, batch_size=8, measure=False)
    assert output.read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {"images.npy", "table.parquet"}


def test_two_predictions_do_not_write_one_table_at_once(
    tmp_path: Path, model: Model, pictures: Path
) -> None:
    output = tmp_path / "new" / "table.csv"
    with (
        open_writer(output, make_schema(model.classes)) as writer,
        pytest.raises(InputError, match=r"in use by a prediction into .*table\.csv \(process"),
    ):
        classify(pictures, output, model)
    assert writer is not None
    assert [path.name for path in output.parent.iterdir()] == ["table.csv"]


def test_a_table_of_another_ending_is_refused(tmp_path: Path, model: Model, pictures: Path) -> None:
    with pytest.raises(InputError, match=r"ends in \.parquet or \.csv"):
        classify(pictures, tmp_path / "table.xlsx", model)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_what_is_there_and_is_no_table_of_predictions_is_never_touched(
    ending: str, tmp_path: Path, model: Model, pictures: Path
) -> None:
    output = tmp_path / f"day.{ending}"
    output.mkdir()
    (output / "part.0.parquet").write_bytes(b"theirs")
    with pytest.raises(InputError, match=r"no table of predictions.*Name another file"):
        classify(pictures, output, model)
    assert (output / "part.0.parquet").read_bytes() == b"theirs"
    other = tmp_path / f"labels.{ending}"
    other.write_text("file,label\na.png,cat\n")
    with pytest.raises(InputError, match="no table of predictions"):
        classify(pictures, other, model)
    assert other.read_text() == "file,label\na.png,cat\n"


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.select(["image", "label", "confidence"]),
        lambda table: table.drop_columns("error"),
        lambda table: table.append_column("note", table["error"]),
        lambda table: table.rename_columns([*table.column_names[:-2], "checked by", "error"]),
        lambda table: table.rename_columns(
            [*table.column_names[:3], "mine", *table.column_names[4:]]
        ),
    ],
)
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_table_with_other_columns_is_never_touched(
    ending: str,
    change: Callable[[pa.Table], pa.Table],
    tmp_path: Path,
    model: Model,
    pictures: Path,
) -> None:
    output = tmp_path / f"table.{ending}"
    classify(pictures, tmp_path / "ours.parquet", model)
    table = change(parquet.read_table(tmp_path / "ours.parquet"))
    parquet.write_table(table, output) if ending == "parquet" else write_csv(table, output)
    before = output.read_bytes()
    with pytest.raises(InputError, match="no table of predictions"):
        classify(pictures, output, model)
    assert output.read_bytes() == before


def test_parquet_without_the_note_or_with_other_types_is_never_touched(
    tmp_path: Path, model: Model, pictures: Path
) -> None:
    output = tmp_path / "table.parquet"
    classify(pictures, output, model)
    table = parquet.read_table(output)
    texts = pa.schema([(name, pa.string()) for name in table.column_names], table.schema.metadata)
    for other in (table.replace_schema_metadata(None), table.cast(texts)):
        parquet.write_table(other, output)
        with pytest.raises(InputError, match="no table of predictions"):
            classify(pictures, output, model)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_table_is_known_whatever_the_classes_are_called(ending: str, tmp_path: Path) -> None:
    output = tmp_path / f"table.{ending}"
    for classes in (
        ('"', 'a "b", c'),
        ("two\nlines", "\r"),
        ("model", "error", "é"),
        ("a" * 255,) * 256,
    ):
        with open_writer(output, make_schema(classes)) as writer:
            write_note(writer, {})


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_an_earlier_table_is_replaced_also_behind_a_link(
    ending: str, tmp_path: Path, model: Model, pictures: Path
) -> None:
    table, link = tmp_path / f"table.{ending}", tmp_path / f"link.{ending}"
    classify(pictures, table, model)
    link.symlink_to(table.name)
    (pictures / "d.png").write_text("no picture")
    assert classify(pictures, link, model).num_images == 4
    assert link.is_symlink()
    (pictures / "d.png").unlink()
    before = table.read_bytes()
    classify(pictures, table, model)
    assert table.read_bytes() != before


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_where_a_link_leads_to_nothing_yet_the_table_is_made(
    ending: str, tmp_path: Path, model: Model, pictures: Path
) -> None:
    link = tmp_path / f"link.{ending}"
    link.symlink_to("elsewhere/today")
    classify(pictures, link, model)
    assert link.is_symlink()
    assert (tmp_path / "elsewhere" / "today").is_file()
    assert classify(pictures, link, model).num_images == 3
    itself = tmp_path / f"itself.{ending}"
    itself.symlink_to(itself.name)
    with pytest.raises(InputError, match="leads to itself"):
        classify(pictures, itself, model)


def test_its_own_tables_and_what_systems_leave_are_no_rows(
    tmp_path: Path, model: Model, pictures: Path
) -> None:
    classify(pictures, pictures / "day.csv", model)
    (pictures / ".DS_Store").write_bytes(b"finder")
    (pictures / "deeper" / "._b.jpg").write_bytes(b"finder")
    (pictures / "Thumbs.db").write_bytes(b"explorer")
    (pictures / "empty.png").touch()
    classify(pictures, tmp_path / "table.parquet", model)
    assert list(pd.read_parquet(tmp_path / "table.parquet")["image"]) == [
        "a.png",
        "c.npy",
        "deeper/b.jpg",
    ]
    assert list(open_images(str(pictures), model.policy).aside.describe()) == [
        "hidden: 2 (.DS_Store, deeper/._b.jpg)",
        "a table: 1 (day.csv)",
        "empty: 1 (empty.png)",
        "of a system or a program: 1 (Thumbs.db)",
    ]


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_name_that_is_not_utf_8_is_a_row_with_an_error(
    ending: str, tmp_path: Path, model: Model, pictures: Path
) -> None:
    shutil.copy(pictures / "a.png", pictures / os.fsdecode(b"b\xff.png"))
    output = tmp_path / f"table.{ending}"
    assert classify(pictures, output, model).num_errors == 1
    table = pd.read_parquet(output) if ending == "parquet" else pd.read_csv(output)
    assert table["image"][1] == "b\\udcff.png"
    assert "isn't in UTF-8; rename it" in table["error"][1]
    assert list(table["label"].notna()) == [True, False, True, True]


def test_pictures_are_fitted_as_those_of_the_training_were(
    tmp_path: Path, model: Model, images: np.ndarray
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    wide = np.pad(images[0, ..., 0], ((0, 0), (10, 10)))
    clear = np.stack([images[0, ..., 0], np.full((28, 28), 255, np.uint8)], axis=-1)
    clear[images[0, ..., 0] == 0, 1] = 0
    Image.fromarray(wide).save(folder / "wide.png")
    Image.fromarray(clear, "LA").save(folder / "clear.png")
    assert classify(folder, tmp_path / "refused.csv", model).num_errors == 2
    fitting = replace(
        model, policy=model.policy.model_copy(update={"size": "crop", "background": (0,)})
    )
    assert classify(folder, tmp_path / "table.parquet", fitting).num_errors == 0
    table = pd.read_parquet(tmp_path / "table.parquet")
    expected = model.classifier.predict(images[:1])[0].max()
    np.testing.assert_allclose(table["confidence"], [expected, expected], atol=1e-6)
