"""A table of paths and labels gives what the folders give, or says which rows are wrong."""

import csv
import io
import json
import re
import subprocess
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from tasks.core.dataset import load_manifest
from tasks.ingest.parameters import TableParameters
from tasks.ingest.stage import write_splits
from tasks.ingest.table import read_table
from tasks.runner.errors import InputError
from tests.conftest import configure_dvc, environment
from tests.tasks.ingest.conftest import (
    CLASSES,
    FILES,
    Ingest,
    as_sets,
    assert_equal,
    make_data,
    make_pixels,
    save_classes,
)

PARQUET = {"train": ["labels.parquet"]}
ROWS = [
    (f"{name}/0-{number}.png", name, "test" if number < 3 else "train")
    for name in CLASSES
    for number in range(16)
]


def parameters(folder: Path, **changes: object) -> dict:
    return (
        FILES
        | {"format": "table", "path": str(folder), "tables": {"train": ["labels.csv"]}}
        | {"header": True, "images": "files", "image_column": "file", "file_names": "{}"}
        | {"label_column": "kind", "labels": "names", "split_column": None, "split_values": None}
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
    assert_equal(ingest(parameters(folder, tables=PARQUET, labels="numbers")), expected)


def test_json_in_lines_is_read_whatever_else_a_line_holds(folder: Path, ingest: Ingest) -> None:
    expected = ingest(parameters(folder, split_column="part"))
    extra = {"objects": {"bbox": [[1, 2, 3, 4]]}, "caption": 'a "cat"\n, or not'}
    lines = [
        json.dumps({"file": name, "kind": kind, "part": part} | (extra if number % 2 else {}))
        for number, (name, kind, part) in enumerate(ROWS)
    ]
    (folder / "labels.jsonl").write_text("\n".join(lines))
    tables = {"train": ["labels.jsonl"]}
    assert_equal(ingest(parameters(folder, tables=tables, split_column="part")), expected)
    (folder / "labels.jsonl").write_text("\n".join([*lines, '{"file": "x.png", ']))
    with pytest.raises(InputError, match=r"labels\.jsonl can't be read as JSON: JSON parse error"):
        ingest(parameters(folder, tables=tables))
    with pytest.raises(InputError, match=r"has the columns file, kind.*; missing: name"):
        (folder / "labels.jsonl").write_text(lines[0])
        ingest(parameters(folder, tables=tables, image_column="name"))
    (folder / "labels.jsonl").write_text("")
    with pytest.raises(InputError, match=r"labels\.jsonl can't be read as JSON"):
        ingest(parameters(folder, tables=tables))


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
    "name",
    ["../secret.png", "/etc/passwd", "..\\secret.png", "cat/../../secret.png", "cat/0-0.png\0"],
)
def test_a_path_out_of_the_folder_is_refused(folder: Path, ingest: Ingest, name: str) -> None:
    write_csv(folder, [*ROWS, (name, "cat", "")])
    with pytest.raises(InputError, match=r"^1 rows .* paths that can't be used: "):
        ingest(parameters(folder))


@pytest.mark.parametrize("name", ["away/animals.png", "away/link.png", "cat/out/link.png"])
def test_a_link_to_a_folder_outside_is_refused(folder: Path, ingest: Ingest, name: str) -> None:
    (folder / "away").symlink_to(folder.parent)
    (folder / "cat" / "out").symlink_to("../../")
    (folder.parent / "link.png").symlink_to(folder / "cat" / "0-0.png")
    write_csv(folder, [*ROWS, (name, "cat", "")])
    with pytest.raises(InputError, match=rf"paths that can't be used: '.*{re.escape(name)}'"):
        ingest(parameters(folder))


def test_files_that_are_links_are_read_as_those_of_folders_are(
    folder: Path, ingest: Ingest
) -> None:
    expected = ingest(parameters(folder))
    cache = folder.parent / "cache"
    for number, name in enumerate(name for name, _, _ in ROWS):
        save = cache / f"{number:02}"
        cache.mkdir(exist_ok=True)
        (folder / name).rename(save)
        (folder / name).symlink_to(save)
    assert_equal(ingest(parameters(folder)), expected)
    assert_equal(ingest(FILES | {"format": "folders", "path": str(folder)}), expected)


@pytest.mark.parametrize(
    ("target", "reason"),
    [("..", "is a link to a folder"), ("x.png", "is a link, which"), ("gone", "can't be read")],
)
def test_a_link_that_is_no_image_is_what_it_is_for_folders(
    folder: Path, ingest: Ingest, target: str, reason: str
) -> None:
    (folder / "cat" / "x.png").symlink_to(target)
    write_csv(folder, [*ROWS, ("cat/x.png", "cat", "")])
    sources = [parameters(folder), FILES | {"format": "folders", "path": str(folder)}]
    told = []
    for source in sources:
        with pytest.raises(InputError, match=f"x.png {reason}") as caught:
            ingest(source)
        told.append(str(caught.value))
    assert told[0] == told[1]


def test_a_table_under_dvc_is_read_where_its_cache_is_made_of_links(
    folder: Path, ingest: Ingest
) -> None:
    """Real DVC, as `pipeline propose` says: dvc add FOLDER."""
    expected = ingest(parameters(folder))

    def do(command: str) -> None:
        subprocess.run(command.split(), cwd=folder.parent, check=True, env=environment())

    do("git init -q")
    do("dvc init -q")
    configure_dvc(folder.parent)
    do("dvc config cache.type symlink")
    do(f"dvc add -q {folder.name}")
    assert (folder / "cat" / "0-0.png").is_symlink()
    assert_equal(ingest(parameters(folder)), expected)


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
        (b"\xff\xfea\0", "is in UTF-16; expected UTF-8"),
        (b"file,kind\n\xe9,cat\n", "isn't in UTF-8, .* iconv -f WINDOWS-1252 -t UTF-8"),
        (b"path,kind\na,cat\n", "has the columns path, kind; missing: file"),
        (b"file,file,kind\na,b,cat\n", "columns file, file, kind; more than once: file"),
        (b"file,kind\na,cat\nb\n", "ends in line 3 has 1 values for 2 columns"),
        (b'file,kind\na,cat\n"a,cat\n', "begins in line 3. Look for a quote"),
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
        ingest(parameters(folder, tables={"train": ["no.csv"]}))
    (folder / "labels.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="can't be read as Parquet"):
        ingest(parameters(folder, tables=PARQUET))


def save_table(path: Path, rows: list[list], **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding=options.pop("encoding", "utf-8"), newline="") as file:
        csv.writer(file, **options).writerows(rows)


@pytest.mark.parametrize(
    "options",
    [{"delimiter": ";"}, {"delimiter": "\t", "lineterminator": "\r\n"}, {"encoding": "utf-8-sig"}],
    ids=["semicolons", "tabs and CRLF", "a byte order mark"],
)
def test_other_forms_of_csv_are_read(folder: Path, ingest: Ingest, options: dict) -> None:
    expected = ingest(parameters(folder))
    rows = [["note", "file", "kind"], *(["two\nlines", name, kind] for name, kind, _ in ROWS)]
    save_table(folder / "labels.csv", rows, **options)
    assert_equal(ingest(parameters(folder)), expected)


def test_paths_of_windows_absolute_paths_and_bare_names_find_their_files(
    folder: Path, ingest: Ingest
) -> None:
    expected = ingest(parameters(folder))
    write_csv(folder, [(name.replace("/", "\\"), kind, part) for name, kind, part in ROWS])
    assert_equal(ingest(parameters(folder)), expected)
    write_csv(folder, [(str(folder.resolve() / name), kind, part) for name, kind, part in ROWS])
    assert_equal(ingest(parameters(folder)), expected)
    write_csv(folder, [(name.removesuffix(".png"), kind, part) for name, kind, part in ROWS])
    assert_equal(ingest(parameters(folder, file_names="{}.png")), expected)


def test_a_table_without_a_header_has_numbered_columns(folder: Path, ingest: Ingest) -> None:
    expected = ingest(parameters(folder))
    save_table(folder / "labels.csv", [list(row) for row in ROWS])
    numbered = parameters(folder, header=False, image_column="1", label_column="2")
    assert_equal(ingest(numbered), expected)


def test_a_table_for_each_part_and_words_of_ones_own_for_parts(
    folder: Path, ingest: Ingest
) -> None:
    expected = ingest(parameters(folder, split_column="part"))
    for part in ("train", "test"):
        rows = [list(row) for row in ROWS if row[2] == part]
        save_table(folder / f"{part}.csv", [["file", "kind", "part"], *rows])
    tables = {"train": ["tr*.csv"], "test": ["test.csv"]}
    assert_equal(ingest(parameters(folder, tables=tables)), expected)
    write_csv(folder, [(name, kind, str(int(part == "test"))) for name, kind, part in ROWS])
    words = {"0": "train", "1": "test"}
    assert_equal(ingest(parameters(folder, split_column="part", split_values=words)), expected)
    write_csv(folder, [(name, kind, part.upper()) for name, kind, part in ROWS])
    assert_equal(ingest(parameters(folder, split_column="part")), expected)


@pytest.mark.parametrize("pattern", ["../labels.csv", "/labels.csv"])
def test_a_table_out_of_the_folder_is_refused(folder: Path, ingest: Ingest, pattern: str) -> None:
    with pytest.raises(InputError, match=r"ingest\.tables in params\.yaml names .*labels\.csv"):
        ingest(parameters(folder, tables={"train": [pattern]}))


def test_rows_without_a_label_are_left_aside_and_counted(folder: Path, tmp_path: Path) -> None:
    table = pd.DataFrame(ROWS, columns=["file", "kind", "part"])
    numbers = table["kind"].map(CLASSES.index).astype(float)
    numbers[:3] = None
    table.assign(kind=numbers).to_parquet(folder / "labels.parquet")
    stated = parameters(folder, tables=PARQUET, labels="numbers")
    source = read_table(TableParameters.model_validate(stated), make_data())
    lines = write_splits(source, tmp_path / "raw", data=make_data())
    assert lines[0].startswith("left aside, without a label: 3 (")
    assert (
        sum(
            load_manifest(tmp_path / "raw")["arrays"][f"{part}_labels.npy"]["shape"][0]
            for part in ("train", "test")
        )
        == 45
    )


def test_a_class_in_another_form_of_unicode_is_the_same_class(folder: Path, ingest: Ingest) -> None:
    write_csv(folder, [(name, kind.replace("eel", "é\u0065l"), "") for name, kind, _ in ROWS])
    (folder / "labels.csv").write_text(
        unicodedata.normalize("NFD", (folder / "labels.csv").read_text("utf-8")), "utf-8"
    )
    found = ingest(parameters(folder), classes=("cat", "dog", "éel"))
    assert set(found["train"].labels) == {0, 1, 2}


PIXELS = make_pixels(60)
COLUMNS = [f"pixel{number}" for number in range(20)]


def pixel_parameters(folder: Path, table: str, column: str, **changes: object) -> dict:
    tables = {"tables": {"train": [table]}, "images": "pixels", "image_column": column}
    return parameters(folder, labels="numbers", **tables | changes)


def as_rows() -> list[list]:
    return [[number % 3, *image.ravel().tolist()] for number, image in enumerate(PIXELS)]


def test_pixels_in_a_cell_or_in_columns_of_csv_or_parquet_are_the_same_images(
    tmp_path: Path, ingest: Ingest
) -> None:
    save_table(tmp_path / "columns.csv", [["kind", *COLUMNS], *as_rows()])
    expected = ingest(pixel_parameters(tmp_path, "columns.csv", "pixel*"))
    found = as_sets(expected)
    assert found["train"] | found["test"] == {
        (image.tobytes(), number % 3) for number, image in enumerate(PIXELS)
    }
    cells = [[row[0], " ".join(map(str, row[1:]))] for row in as_rows()]
    save_table(tmp_path / "cell.csv", [["kind", "pixels"], *cells])
    assert_equal(ingest(pixel_parameters(tmp_path, "cell.csv", "pixels")), expected)
    save_table(
        tmp_path / "list.csv", [["kind", "pixels"], *([row[0], row[1:]] for row in as_rows())]
    )
    assert_equal(ingest(pixel_parameters(tmp_path, "list.csv", "pixels")), expected)
    frame = pd.DataFrame(as_rows(), columns=["kind", *COLUMNS])
    frame.to_parquet(tmp_path / "columns.parquet")
    assert_equal(ingest(pixel_parameters(tmp_path, "columns.parquet", "pixel*")), expected)
    save_table(tmp_path / "bare.csv", as_rows())
    bare = {"header": False, "label_column": "1"}
    assert_equal(ingest(pixel_parameters(tmp_path, "bare.csv", "*", **bare)), expected)


@pytest.mark.parametrize(
    ("pixel", "kind"),
    [
        (256, "no whole number from 0 to 255"),
        (-1, "no whole number from 0 to 255"),
        (0.5, "no whole number from 0 to 255"),
        ("x", "no whole number from 0 to 255"),
        ("", "no whole number from 0 to 255"),
    ],
)
def test_a_pixel_that_is_none_is_a_fault_of_its_row(
    tmp_path: Path, ingest: Ingest, pixel: object, kind: str
) -> None:
    rows = as_rows()
    rows[1][5] = pixel
    save_table(tmp_path / "a.csv", [["kind", *COLUMNS], *rows])
    with pytest.raises(InputError, match=rf"(?s)1 of 60 images.*row 2 .*{kind}"):
        ingest(pixel_parameters(tmp_path, "a.csv", "pixel*"))


def test_another_number_of_pixels_is_refused(tmp_path: Path, ingest: Ingest) -> None:
    save_table(tmp_path / "a.csv", [["kind", *COLUMNS[:10]], *(row[:11] for row in as_rows())])
    with pytest.raises(InputError, match="another number or shape: 10; expected 20"):
        ingest(pixel_parameters(tmp_path, "a.csv", "pixel*"))


@pytest.mark.parametrize("shape", [(1, 4, 5), (5, 4), (2, 10), (4, 5, 1, 1)])
def test_pixels_nested_as_another_shape_are_refused_and_as_their_own_are_read(
    tmp_path: Path, ingest: Ingest, shape: tuple[int, ...]
) -> None:
    save_table(tmp_path / "flat.csv", [["kind", *COLUMNS], *as_rows()])
    expected = ingest(pixel_parameters(tmp_path, "flat.csv", "pixel*"))
    for own in ((4, 5), (4, 5, 1)):
        nested = [image.reshape(own).tolist() for image in PIXELS]
        kinds = [row[0] for row in as_rows()]
        parquet.write_table(pa.table({"kind": kinds, "image": nested}), tmp_path / "own.parquet")
        assert_equal(ingest(pixel_parameters(tmp_path, "own.parquet", "image")), expected)
    other = [image.reshape(shape).tolist() for image in PIXELS]
    parquet.write_table(pa.table({"kind": kinds, "image": other}), tmp_path / "other.parquet")
    seen = " × ".join(map(str, shape))
    with pytest.raises(InputError, match=f"shape: {seen}; expected 20, or 4 × 5 × 1"):
        ingest(pixel_parameters(tmp_path, "other.parquet", "image"))


@pytest.mark.parametrize("cell", [None, [], [1, 2], "no pixels"])
def test_a_cell_that_holds_no_image_is_a_fault_of_its_row(
    tmp_path: Path, ingest: Ingest, cell: object
) -> None:
    images: list = [
        " ".join(map(str, row[1:])) if isinstance(cell, str) else row[1:] for row in as_rows()
    ]
    images[1] = cell
    table = pa.table({"kind": [row[0] for row in as_rows()], "image": images})
    parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"(?s)1 of 60 images.*row 2 has pixels of another number"):
        ingest(pixel_parameters(tmp_path, "a.parquet", "image"))


def test_rows_of_different_lengths_are_a_fault_of_their_row(tmp_path: Path, ingest: Ingest) -> None:
    images = [image[..., 0].tolist() for image in PIXELS]
    images[1] = [row[:4] if number else [*row, 0] for number, row in enumerate(images[1])]
    table = pa.table({"kind": [row[0] for row in as_rows()], "image": images})
    parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"(?s)1 of 60 images.*row 2 has pixels of another number"):
        ingest(pixel_parameters(tmp_path, "a.parquet", "image"))


def test_columns_of_pixels_stand_in_the_order_of_their_numbers(
    tmp_path: Path, ingest: Ingest
) -> None:
    frame = pd.DataFrame(as_rows(), columns=["kind", *COLUMNS])
    frame.to_csv(tmp_path / "numbers.csv", index=False)
    expected = ingest(pixel_parameters(tmp_path, "numbers.csv", "pixel*"))
    frame.sort_index(axis="columns").to_csv(tmp_path / "letters.csv", index=False)
    assert_equal(ingest(pixel_parameters(tmp_path, "letters.csv", "pixel*")), expected)
    places = {
        f"pixel{row * 5 + column}": f"{row}x{column}" for row in range(4) for column in range(5)
    }
    frame = frame.rename(columns=places)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    assert_equal(ingest(pixel_parameters(tmp_path, "rows.csv", "*x*")), expected)
    frame[["kind", *sorted(places.values(), key=lambda name: name[::-1])]].to_csv(
        tmp_path / "columns.csv", index=False
    )
    with pytest.raises(InputError, match="order of their numbers: 0x0, 1x0, …; expected 0x0, 0x1"):
        ingest(pixel_parameters(tmp_path, "columns.csv", "*x*"))


def test_the_channels_of_a_pixel_stand_beside_each_other(tmp_path: Path, ingest: Ingest) -> None:
    images = make_pixels(60, channels=3)
    names = [f"{colour}{number}" for number in range(20) for colour in "rgb"]
    frame = pd.DataFrame(images.reshape(60, -1), columns=names)
    frame.insert(0, "kind", [number % 3 for number in range(60)])
    frame.to_csv(tmp_path / "beside.csv", index=False)
    found = as_sets(ingest(pixel_parameters(tmp_path, "beside.csv", "*"), channels=3))
    assert found["train"] | found["test"] == {
        (image.tobytes(), number % 3) for number, image in enumerate(images)
    }
    planes = [f"{colour}{number}" for colour in "rgb" for number in range(20)]
    frame[["kind", *planes]].to_csv(tmp_path / "planes.csv", index=False)
    with pytest.raises(InputError, match="expected r0, g0, …: row by row, and the channels"):
        ingest(pixel_parameters(tmp_path, "planes.csv", "*"), channels=3)


def test_a_misspelt_column_of_pixels_is_missing(tmp_path: Path, ingest: Ingest) -> None:
    save_table(tmp_path / "a.csv", [["kind", *COLUMNS], *as_rows()])
    for column in ("pixels*", "pixel"):
        with pytest.raises(InputError, match=rf"missing: {re.escape(column)}"):
            ingest(pixel_parameters(tmp_path, "a.csv", column))


def test_delimiters_in_quotes_or_in_the_header_of_a_tsv_do_not_count(
    folder: Path, ingest: Ingest
) -> None:
    expected = ingest(parameters(folder))
    rows = [["file", "kind", "remarks, if any, in words"], *ROWS]
    save_table(folder / "labels.tsv", rows, delimiter="\t")
    assert_equal(ingest(parameters(folder, tables={"train": ["labels.tsv"]})), expected)
    save_table(folder / "labels.csv", rows, delimiter=";", quoting=csv.QUOTE_ALL)
    assert_equal(ingest(parameters(folder)), expected)


def in_png(image: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(image[..., 0]).save(content, "PNG")
    return content.getvalue()


@pytest.mark.parametrize("is_record", [True, False], ids=["with a path", "bare"])
def test_files_inside_parquet_are_read_from_several_tables(
    tmp_path: Path, ingest: Ingest, is_record: bool
) -> None:
    contents = [in_png(image) for image in PIXELS]
    cells = [{"bytes": content, "path": None} if is_record else content for content in contents]
    for number in range(2):
        half = slice(30 * number, 30 * number + 30)
        table = pa.table({"image": cells[half], "kind": [n % 3 for n in range(30)]})
        parquet.write_table(table, tmp_path / f"train-0000{number}-of-00002.parquet")
    stated = pixel_parameters(tmp_path, "train-*.parquet", "image", images="bytes")
    found = as_sets(ingest(stated))
    assert len(found["train"] | found["test"]) == 60
    assert {pixels for pixels, _ in found["train"] | found["test"]} == {
        image.tobytes() for image in PIXELS
    }
    parquet.write_table(
        pa.table({"image": [*cells, None], "kind": [n % 3 for n in range(61)]}),
        tmp_path / "train-00000-of-00002.parquet",
    )
    with pytest.raises(InputError, match="row 61 holds no image"):
        ingest(stated | {"tables": {"train": ["train-00000*"]}})
