"""A table of paths and labels gives what the folders give, or says which rows are wrong."""

import csv
from pathlib import Path

import pandas as pd
import pytest

from tasks.runner.errors import InputError
from tests.tasks.ingest.conftest import CLASSES, FILES, Ingest, assert_equal, save_classes

ROWS = [
    (f"{name}/0-{number}.png", name, "test" if number < 3 else "train")
    for name in CLASSES
    for number in range(16)
]


def parameters(folder: Path, **changes: object) -> dict:
    return (
        FILES
        | {"format": "table", "path": str(folder), "table": "labels.csv", "path_column": "file"}
        | {"label_column": "kind", "labels": "names", "split_column": None}
        | changes
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_classes(tmp_path / "animals")
    write_csv(tmp_path / "animals")
    return tmp_path / "animals"


def write_csv(folder: Path, rows: list[tuple[str, str, str]] = ROWS) -> None:
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("file", "kind", "part"), *rows])


def test_a_table_gives_what_the_folders_give(folder: Path, ingest: Ingest) -> None:
    expected = ingest(FILES | {"format": "folders", "path": str(folder)})
    assert_equal(ingest(parameters(folder)), expected)
    write_csv(folder, ROWS[::-1])
    assert_equal(ingest(parameters(folder)), expected)


def test_parquet_and_numbers_of_classes_are_read(folder: Path, ingest: Ingest) -> None:
    expected = ingest(parameters(folder))
    table = pd.DataFrame(ROWS, columns=["file", "kind", "part"])
    table["kind"] = table["kind"].map(CLASSES.index)
    table.to_parquet(folder / "labels.parquet")
    assert_equal(ingest(parameters(folder, table="labels.parquet", labels="numbers")), expected)


def test_a_column_of_splits_is_kept(folder: Path, ingest: Ingest) -> None:
    found = ingest(parameters(folder, split_column="part"))
    assert {name: len(split.labels) for name, split in found.items()} == {"train": 39, "test": 9}
    write_csv(folder, [("cat/0-0.png", "cat", "exam")])
    with pytest.raises(InputError, match=r"parts that can't be used: 'exam' \(1\)"):
        ingest(parameters(folder, split_column="part"))


@pytest.mark.parametrize("kind", ["names", "numbers"])
def test_labels_outside_the_classes_are_counted(folder: Path, ingest: Ingest, kind: str) -> None:
    rows = [("cat/0-0.png", "0" if kind == "numbers" else "cat", ""), *[("a", "3", "")] * 2]
    write_csv(folder, rows)
    with pytest.raises(InputError, match=r"^2 rows .* labels that can't be used: '3' \(2\)"):
        ingest(parameters(folder, labels=kind))


@pytest.mark.parametrize(
    "name", ["../secret.png", "/etc/passwd", "cat/../../secret.png", "cat/0-0.png\0"]
)
def test_a_path_out_of_the_folder_is_refused(folder: Path, ingest: Ingest, name: str) -> None:
    write_csv(folder, [*ROWS, (name, "cat", "")])
    with pytest.raises(InputError, match=r"^1 rows .* paths that can't be used: "):
        ingest(parameters(folder))


def test_a_link_out_of_the_folder_is_refused(folder: Path, ingest: Ingest) -> None:
    (folder / "away").symlink_to(folder.parent)
    write_csv(folder, [*ROWS, ("away/animals.png", "cat", "")])
    with pytest.raises(InputError, match=r"paths that can't be used: 'away/animals\.png'"):
        ingest(parameters(folder))


def test_links_that_lead_to_each_other_are_no_image(folder: Path, ingest: Ingest) -> None:
    (folder / "loop").symlink_to("loop")
    write_csv(folder, [*ROWS, ("loop/a.png", "cat", "")])
    with pytest.raises(InputError, match=r"loop/a\.png"):
        ingest(parameters(folder))


def test_an_empty_line_is_no_row(folder: Path, ingest: Ingest) -> None:
    expected = ingest(parameters(folder))
    with (folder / "labels.csv").open("a") as file:
        file.write("\r\n\n")
    assert_equal(ingest(parameters(folder)), expected)


def test_a_missing_file_is_an_image_that_cannot_be_used(folder: Path, ingest: Ingest) -> None:
    write_csv(folder, [*ROWS, ("cat/none.png", "cat", "")])
    with pytest.raises(InputError, match=r"(?s)^1 of 49 .*none\.png can't be read: No such file"):
        ingest(parameters(folder))
    assert len(ingest(parameters(folder, max_faulty_share=0.1))["train"].labels) > 30


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"\xff\xfe", "can't be read as CSV in UTF-8"),
        (b"path,kind\na,cat\n", "has the columns path, kind; missing: file"),
        (b"file,file,kind\na,b,cat\n", "columns file, file, kind; more than once: file"),
        (b"file,kind\na,cat\nb\n", "row 2 has 1 values for 2 columns"),
        (b'file,kind\n"a,cat\n', "can't be read as CSV"),
        (b"file,kind\n", "There are no images"),
    ],
)
def test_a_broken_table_is_refused(
    folder: Path, ingest: Ingest, content: bytes, message: str
) -> None:
    (folder / "labels.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        ingest(parameters(folder))


def test_a_missing_table_and_broken_parquet_are_refused(folder: Path, ingest: Ingest) -> None:
    with pytest.raises(InputError, match=r"no\.csv can't be read"):
        ingest(parameters(folder, table="no.csv"))
    (folder / "labels.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="can't be read as Parquet"):
        ingest(parameters(folder, table="labels.parquet"))
