"""Whoever does what a message says gets on.

Each message of propose, ingest and the reader of images that names a command, an option or a
parameter is brought about, obeyed, and gone. The messages are collected from the code, so that a
new one without a case here fails.
"""

import contextlib
import csv
import gzip
import io
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet
from ruamel.yaml import YAML

from tasks.ingest import stage
from tasks.propose.options import Options, make_parser
from tasks.propose.proposal import propose
from tasks.runner.errors import InputError
from tests.conftest import FIXTURE, PROJECT
from tests.remedies.messages import Case, Cases, collect
from tests.tasks.ingest.conftest import CLASSES, make_pixels, save_classes, save_image
from tests.tasks.ingest.test_npz import LABELS, save

_REMEDY = re.compile(
    r"--[a-z]|\b(ingest|data|train|validate|prepare)\.[a-z_]|params\.yaml"
    r"|\b(dvc|cp|iconv|mv) |numpy\.|AWS_"
)
# Those whose case needs more than this file has, and where it is.
ELSEWHERE = {
    "Train the model anew: dvc repro": (
        "tests/examples/test_digits.py::test_a_folder_of_images_becomes_a_model_and_a_report"
    ),
}
# Told in passing, of what may be otherwise; no fault to mend.
HINTS = (
    *("chosen by content, ingest.test_share of each class", ": …; params.yaml says …"),
    *("(--size, --channels, --fit)", "(--path-column)", "(--label-column)", "(--split-column)"),
    "(--file-names)",
)

cases = Cases()
follows = cases.follows


class Person:
    """Works in a project of their own, by its commands."""

    def propose(self, path: Path | str, options: str = "") -> str:
        """What `pipeline propose` tells; its proposal becomes params.yaml."""
        arguments = vars(make_parser().parse_args([str(path), "proposal.yaml", *options.split()]))
        Path("proposal.yaml").unlink(missing_ok=True)
        with contextlib.redirect_stdout(io.StringIO()) as told:
            propose(arguments.pop("path"), arguments.pop("output"), Options(**arguments))
        shutil.copy("proposal.yaml", "params.yaml")
        return told.getvalue()

    def ingest(self, **changes: object) -> str:
        """What the stage tells, with some values of params.yaml changed: `ingest_white=255`."""
        content = YAML(typ="safe").load(Path("params.yaml").read_text("utf-8"))
        for name, value in changes.items():
            section, _, key = name.partition("_")
            content[section][key] = value
        with Path("params.yaml").open("w", encoding="utf-8") as file:
            YAML(typ="safe").dump(content, file)
        with contextlib.redirect_stdout(io.StringIO()) as told:
            stage.main()
        return told.getvalue()

    def refused(self, command: Callable[..., str], *arguments: object, **changes: object) -> str:
        """Why a command refuses to work, and what it told before."""
        with (
            contextlib.redirect_stdout(io.StringIO()),
            pytest.raises(InputError) as caught,
        ):
            command(*arguments, **changes)
        return str(caught.value)


me = Person()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the images, in a project."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(PROJECT / ("tests" if name == "params.yaml" else ".") / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    save_classes(tmp_path / "animals")
    return tmp_path / "animals"


def transparent() -> Image.Image:
    pixels = np.full((4, 5, 2), 255, np.uint8)
    pixels[0, 0, 1] = 0
    return Image.fromarray(pixels)


def grey_of_16_bits(highest: int) -> Image.Image:
    return Image.fromarray(np.arange(20, dtype=np.uint16).reshape(4, 5) * (highest // 19))


def write(path: Path, rows: list[list]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def table_of(root: Path, *columns: str) -> list[list]:
    """A header, and for each image in the folders its path, label, and those of other columns."""
    more: dict[str, Callable[[int, str], object]] = {
        "kind": lambda _, name: name[0],
        "fold": lambda number, _: number % 4,
        "copy": lambda number, name: f"{name}/0-{number}.png",
        "none": lambda number, name: name if number % 3 == 0 else "",
    }
    rows = [
        [f"{name}/0-{number}.png", name, *(more[column](number, name) for column in columns)]
        for name in CLASSES
        for number in range(16)
    ]
    return [["path", "label", *columns], *rows]


# A picture that can't be used: an option for the proposal, a parameter for ingest.


@follows("data.channels 1 in params.yaml expects grey")
def colour(root: Path) -> Iterator[str]:
    me.propose(root)
    save_image(root / "cat" / "red.png", make_pixels(1, channels=3)[0])
    yield me.refused(me.ingest)
    me.ingest(data_channels=3)


@follows("or ingest.white in params.yaml: the value that becomes 255")
def sixteen_bits(root: Path) -> Iterator[str]:
    me.propose(root)
    grey_of_16_bits(4000).save(root / "cat" / "deep.png")
    yield me.refused(me.ingest)
    me.ingest(ingest_white=65535)


@follows("is brighter than ingest.white")
def brighter_than_white(root: Path) -> Iterator[str]:
    me.propose(root)
    grey_of_16_bits(4000).save(root / "cat" / "deep.png")
    yield me.refused(me.ingest, ingest_white=300)
    me.ingest(ingest_white=4000)


@follows("set ingest.background in params.yaml")
def transparency(root: Path) -> Iterator[str]:
    me.propose(root)
    transparent().save(root / "cat" / "glass.png")
    yield me.refused(me.ingest)
    me.ingest(ingest_background=[255, 255, 255])


@follows("ingest.background in params.yaml is the colour")
def a_colour_behind_grey(root: Path) -> Iterator[str]:
    me.propose(root)
    yield me.refused(me.ingest, ingest_background=[255, 0, 0])
    me.ingest(ingest_background=[255])


@follows("--background white puts them on white")
def transparent_pictures(root: Path) -> Iterator[str]:
    for number in range(9):
        transparent().save(root / "cat" / f"glass {number}.png")
    yield me.refused(me.propose, root)
    me.propose(root, "--background white")


@follows("--white 65535 takes 16-bit grey")
def deep_pictures(root: Path) -> Iterator[str]:
    for number in range(9):
        grey_of_16_bits(190 + 19 * number).save(root / "cat" / f"deep {number}.png")
    yield me.refused(me.propose, root)
    me.propose(root, "--white 65535")


@follows("--fit fit, crop or stretch takes pictures of other sizes")
def other_sizes(root: Path) -> Iterator[str]:
    for number, image in enumerate(make_pixels(9, seed=5)):
        save_image(root / "cat" / f"large {number}.png", image.repeat(2, axis=0))
    yield me.refused(me.propose, root, "--fit refuse")
    for fit in ("fit", "crop", "stretch"):
        me.propose(root, f"--fit {fit}")


@follows("--channels 3 takes pictures in colour")
def colours(root: Path) -> Iterator[str]:
    for number, image in enumerate(make_pixels(9, channels=3)):
        save_image(root / "cat" / f"colour {number}.png", image)
    yield me.refused(me.propose, root, "--channels 1")
    me.propose(root, "--channels 3")


@follows("or raise ingest.max_faulty_share in params.yaml")
def a_fault(root: Path) -> Iterator[str]:
    me.propose(root)
    (root / "cat" / "text.png").write_text("cat")
    yield me.refused(me.ingest)
    me.ingest(ingest_max_faulty_share=0.1)


# Classes and parts.


@follows("take the class out of the source, and of data.classes in params.yaml")
def a_class_without_an_image(root: Path) -> Iterator[str]:
    me.propose(root)
    for file in (root / "eel").iterdir():
        file.write_bytes(b"eel")
    yield me.refused(me.ingest, ingest_max_faulty_share=1.0)
    (root / "eel").rename(root.parent / "eel")
    me.ingest(data_classes=["cat", "dog"])


@follows("or remove the folder, and the class from data.classes")
def an_empty_class(root: Path) -> Iterator[str]:
    me.propose(root)
    shutil.rmtree(root / "eel")
    (root / "eel").mkdir()
    yield me.refused(me.ingest)
    (root / "eel").rmdir()
    me.ingest(data_classes=["cat", "dog"])


@follows("; data.classes in params.yaml says")
def another_class(root: Path) -> Iterator[str]:
    me.propose(root)
    (root / "eel").rename(root / "fox")
    yield me.refused(me.ingest)
    me.ingest(data_classes=["cat", "dog", "fox"])


@follows("if … is a class: --format folders")
def train_beside_classes(root: Path) -> Iterator[str]:
    (root / "eel").rename(root / "train")
    (root / "train" / "0-0.png").rename(root / "moved.png")
    (root / "train" / "older").mkdir()
    (root / "moved.png").rename(root / "train" / "older" / "0-0.png")
    yield me.refused(me.propose, root)
    me.propose(root, "--format folders")


@follows("if … are the classes: --format folders")
def the_same_folders_in_each(root: Path) -> Iterator[str]:
    lots = root.parent / "lots"
    for number in range(2):
        save_classes(lots / f"lot {number}" / "unpacked", seed=number)
    yield me.refused(me.propose, lots)
    me.propose(lots, "--format folders")
    for number, part in enumerate(("train", "test")):
        (lots / f"lot {number}" / "unpacked").rename(lots / part)
        (lots / f"lot {number}").rmdir()
    me.propose(lots)


@follows("Which are the classes? --format folders, or --format table")
def folders_and_a_table(root: Path) -> Iterator[str]:
    write(root / "labels.csv", [[row[0], row[2]] for row in table_of(root, "kind")])
    yield me.refused(me.propose, root)
    me.propose(root, "--format folders")
    me.propose(root, "--format table")


@follows("of them for the test; expected some to train on")
def nothing_to_train_on(root: Path) -> Iterator[str]:
    rows = table_of(root)
    table = write(root / "labels.csv", [[*rows[0], "split"], *([*row, "test"] for row in rows[1:])])
    seen = me.refused(me.propose, table)
    me.propose(table, "--split-column none")
    table.unlink()
    only = root.parent / "only"
    only.mkdir()
    root.rename(only / "test")
    yield seen + me.refused(me.propose, only)
    (only / "test").rename(only / "train")
    me.propose(only)


# Where the images are.


@follows("isn't in UTF-8, as params.yaml has to be. Rename it")
def a_folder_that_is_not_named_in_utf_8(root: Path) -> Iterator[str]:
    latin = root.rename(root.parent / os.fsdecode(b"b\xeates"))
    yield me.refused(me.propose, latin)
    me.propose(latin.rename(root.parent / "bêtes"))


@follows("which isn't a folder; mend it")
def a_folder_that_moved(root: Path) -> Iterator[str]:
    me.propose(root)
    yield me.refused(me.ingest, ingest_path="nowhere")
    me.ingest(ingest_path=str(root))


@follows("which may be ingest.path in params.yaml")
def an_address_with_nothing(root: Path) -> Iterator[str]:
    me.propose(root)
    yield me.refused(me.ingest, ingest_path=f"file://{root}/nowhere")
    me.ingest(ingest_path=f"file://{root}")


@follows("Put the folder in its place")
def a_link_to_a_folder(root: Path) -> Iterator[str]:
    me.propose(root)
    (root / "cat").rename(root.parent / "cat")
    (root / "cat").symlink_to(root.parent / "cat")
    yield me.refused(me.ingest)
    (root / "cat").unlink()
    (root.parent / "cat").rename(root / "cat")
    me.ingest()


@follows("Move the images, to data/source, say, and set ingest.path")
def images_in_an_output(root: Path) -> Iterator[str]:
    shutil.move(root, "data/raw/animals")
    yield me.refused(me.propose, "data/raw/animals")
    shutil.move("data/raw/animals", "data/source")
    me.propose("data/source")


@follows("There are no images at ingest.path")
def a_table_without_rows(root: Path) -> Iterator[str]:
    table = write(root / "labels.csv", table_of(root))
    me.propose(table)
    write(table, table_of(root)[:1])
    yield me.refused(me.ingest)
    write(table, table_of(root))
    me.ingest()


@follows("into the folder that ingest.path in params.yaml names", "ingest.sha256 in params.yaml")
def four_files(root: Path) -> Iterator[str]:
    shutil.copytree(FIXTURE, root.parent / "source")
    me.propose("source")
    files = list(Path("source").glob("*.gz"))
    kept = [(file, file.read_bytes()) for file in files]
    files[0].unlink()
    missing = me.refused(me.ingest)
    for file, content in kept:
        file.write_bytes(content)
    keys = ("train_images", "train_labels", "test_images", "test_labels")
    with contextlib.redirect_stdout(io.StringIO()) as told, pytest.raises(InputError):
        stage_with(ingest_sha256=dict.fromkeys(keys, "0" * 64))
    yield missing + told.getvalue()
    me.ingest(ingest_sha256=None)


def stage_with(**changes: object) -> None:
    """As `Person.ingest`, but tells to whoever listens."""
    with contextlib.suppress(InputError):
        me.ingest(**changes)
    stage.main()


# Arrays.


@follows("Mend that, or ingest.first_label")
def labels_from_one(root: Path) -> Iterator[str]:
    path = save(root.parent / "a.npz")
    me.propose(path)
    more = LABELS + 1
    save(path, train_labels=more, val_labels=more, test_labels=more)
    yield me.refused(me.ingest)
    me.ingest(ingest_first_label=1)


@follows("data.height, data.width, data.channels. Change these")
def another_shape(root: Path) -> Iterator[str]:
    me.propose(save(root.parent / "a.npz"))
    yield me.refused(me.ingest, data_height=5)
    me.ingest(data_height=4)


@follows("numpy.ascontiguousarray", "Expected what numpy.savez writes")
def columns_first(root: Path) -> Iterator[str]:
    path = save(root.parent / "a.npz", train_images=np.asfortranarray(make_pixels(30)))
    seen = me.refused(me.propose, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../more.npy", b"")
    yield seen + me.refused(me.propose, path)
    save(path, train_images=np.ascontiguousarray(make_pixels(30)))
    me.propose(path)


# Tables.


@follows("columns that may hold labels … Name it: --label-column")
def two_columns_of_labels(root: Path) -> Iterator[str]:
    table = write(root / "labels.csv", table_of(root, "kind"))
    rows = table_of(root, "kind")
    rows[0][2] = "class"
    write(table, rows)
    yield me.refused(me.propose, table)
    me.propose(table, "--label-column class")


@follows("columns that may hold images … Name it: --path-column")
def two_columns_of_paths(root: Path) -> Iterator[str]:
    table = write(root / "labels.csv", table_of(root, "copy"))
    yield me.refused(me.propose, table)
    me.propose(table, "--path-column path --label-column label")


@follows("--file-names …")
def names_in_two_folders(root: Path) -> Iterator[str]:
    shutil.copytree(root / "cat", root.parent / "pair" / "pictures")
    shutil.copytree(root / "dog", root.parent / "pair" / "masks")
    rows = [[f"0-{number}", "ab"[number % 2]] for number in range(16)]
    table = write(root.parent / "pair" / "labels.csv", [["id", "label"], *rows])
    seen = me.refused(me.propose, table)
    yield seen
    _, masks, pictures = seen.split("--file-names ")
    for way in (masks.removesuffix(" or "), pictures):
        me.propose(table, f"--file-names {way.strip(chr(39))}")


@follows("and test images are chosen by content: of a column, by --split-column none")
def a_test_that_is_trained_on(root: Path) -> Iterator[str]:
    rows = table_of(root)
    twice = [[*row, part] for row in rows[1:] for part in ("train", "test")]
    table = write(root / "labels.csv", [[*rows[0], "split"], *twice])
    seen = me.refused(me.propose, table)
    me.propose(table, "--split-column none")
    for part in ("train", "test"):
        shutil.copytree(root, root.parent / "both" / part, ignore=lambda *_: ["labels.csv"])
    yield seen + me.refused(me.propose, root.parent / "both")
    (root.parent / "both" / "test").rename(root.parent / "elsewhere")
    me.propose(root.parent / "both")


@follows("test images chosen by content: --split-column none")
def paths_that_name_parts(root: Path) -> Iterator[str]:
    parts = ["test" if number % 16 < 4 else "train" for number in range(48)]
    rows = []
    for part, (path, name) in zip(parts, table_of(root)[1:], strict=True):
        (root.parent / "set" / part).mkdir(parents=True, exist_ok=True)
        file = f"{part}/{path.replace('/', '-')}"
        (root / path).rename(root.parent / "set" / file)
        rows.append([file, name])
    table = write(root.parent / "set" / "labels.csv", [["path", "label"], *rows])
    yield me.refused(me.propose, table)
    me.propose(table, "--split-column none")
    rows = [[*row, part] for row, part in zip(rows, parts, strict=True)]
    write(table, [["path", "label", "split"], *rows])
    assert "test images: given" in me.propose(table)


@follows("ingest.split_column: null in params.yaml, which is --split-column none of")
def no_label_in_the_test(root: Path) -> Iterator[str]:
    rows = [
        [path, name if number % 4 else "", "train" if number % 4 else "test"]
        for number, (path, name) in enumerate(table_of(root)[1:])
    ]
    table = write(root / "labels.csv", [["path", "label", "split"], *rows])
    yield me.refused(me.propose, table)
    me.propose(table, "--split-column none")
    me.refused(me.ingest, ingest_split_column="split")
    me.ingest(ingest_split_column=None)
    write(root / "train.csv", [["path", "label"], *(row[:2] for row in rows if row[1])])
    write(root / "test.csv", [["path", "label"], *(row[:2] for row in rows if not row[1])])
    me.refused(me.ingest, ingest_tables={"train": ["train.csv"], "test": ["test.csv"]})
    me.ingest(ingest_tables={"train": ["train.csv"]})


@follows("columns that may hold splits … Name it: --split-column")
def no_such_column_of_splits(root: Path) -> Iterator[str]:
    table = write(root / "labels.csv", table_of(root, "fold"))
    yield me.refused(me.propose, table, "--split-column folds")
    me.propose(table, "--split-column fold --test-values 3")


@follows("Say so: --split-column '…' --test-values …; or --split-column none")
def a_column_that_may_be_a_split(root: Path) -> Iterator[str]:
    table = write(root / "labels.csv", table_of(root, "fold"))
    yield me.refused(me.propose, table)
    me.propose(table, "--split-column fold --test-values 3")
    me.propose(table, "--split-column none")


@follows("Expected some of those, and not all")
def values_that_no_row_has(root: Path) -> Iterator[str]:
    table = write(root / "labels.csv", table_of(root, "fold"))
    yield me.refused(me.propose, table, "--split-column fold --test-values three")
    me.propose(table, "--split-column fold --test-values 3")


@follows("Which? --split-column NAME")
def values_of_no_column(root: Path) -> Iterator[str]:
    table = write(root / "labels.csv", table_of(root, "fold"))
    yield me.refused(me.propose, table, "--split-column none --test-values 3")
    me.propose(table, "--split-column fold --test-values 3")


@follows("rows have no label in the column")
def a_column_with_hardly_a_label(root: Path) -> Iterator[str]:
    table = write(root / "labels.csv", table_of(root, "none"))
    yield me.refused(me.propose, table, "--label-column none")
    me.propose(table, "--label-column label")


@follows("holds lists or records", "Name another column in ingest of params.yaml")
def lists_of_labels(root: Path) -> Iterator[str]:
    rows = table_of(root)[1:]
    columns = {"path": [row[0] for row in rows], "kind": [row[1] for row in rows]}
    table = root / "labels.parquet"
    parquet.write_table(pa.table({**columns, "label": [[row[1]] for row in rows]}), table)
    seen = me.refused(me.propose, table, "--label-column label")
    me.propose(table, "--label-column kind")
    yield seen + me.refused(me.ingest, ingest_label_column="label")
    me.ingest(ingest_label_column="kind")


@follows("name one as PATH, or call those of the parts train.csv and test.csv")
def two_tables(root: Path) -> Iterator[str]:
    rows = table_of(root)
    write(root / "first.csv", [rows[0], *rows[1::2]])
    write(root / "second.csv", [rows[0], *rows[2::2]])
    yield me.refused(me.propose, root, "--format table")
    me.propose(root / "first.csv")
    (root / "first.csv").rename(root / "train.csv")
    (root / "second.csv").rename(root / "test.csv")
    me.propose(root, "--format table")


@follows("number them, as in train.part1.csv and train.part2.csv; if not, move")
def two_tables_of_a_part(root: Path) -> Iterator[str]:
    rows = table_of(root)
    names = ("train.csv", "train_more.csv")
    for name, start in zip(names, (1, 2), strict=True):
        write(root / name, [rows[0], *rows[start::2]])
    yield me.refused(me.propose, root, "--format table")
    for number, name in enumerate(names, start=1):
        (root / name).rename(root / f"train.part{number}.csv")
    me.propose(root, "--format table")
    (root / "train.part2.csv").rename(root.parent / "elsewhere.csv")
    me.propose(root, "--format table")


@follows("or ingest.split_values, which says what they are")
def parts_of_ones_own(root: Path) -> Iterator[str]:
    table = write(root / "labels.csv", table_of(root, "fold"))
    me.propose(table, "--split-column none")
    yield me.refused(me.ingest, ingest_split_column="fold", ingest_split_values=None)
    me.ingest(ingest_split_values={"0": "train", "1": "train", "2": "train", "3": "test"})


@follows("ingest.tables in params.yaml names")
def a_table_elsewhere(root: Path) -> Iterator[str]:
    me.propose(write(root / "labels.csv", table_of(root)))
    yield me.refused(me.ingest, ingest_tables={"train": ["../labels.csv"]})
    me.ingest(ingest_tables={"train": ["labels.csv"]})


@follows("and name that in ingest.tables of params.yaml")
def a_table_of_another_ending(root: Path) -> Iterator[str]:
    table = write(root / "labels.csv", table_of(root))
    me.propose(table)
    packed = root / "labels.csv.gz"
    packed.write_bytes(gzip.compress(table.read_bytes()))
    table = table.rename(root / "labels.txt")
    seen = [me.refused(me.ingest, ingest_tables={"train": [name]}) for name in ("*.txt", "*.gz")]
    yield "".join(seen)
    (root / "first.csv").write_bytes(gzip.decompress(packed.read_bytes()))
    me.ingest(ingest_tables={"train": ["first.csv"]})
    table.rename(root / "second.csv")
    me.ingest(ingest_tables={"train": ["second.csv"]})


@follows("Convert it: iconv -f … -t UTF-8")
def a_table_in_latin_1(root: Path) -> Iterator[str]:
    rows = [[row[0], row[1].replace("eel", "vermière")] for row in table_of(root)]
    table = write(root / "les étiquettes.csv", rows)
    table.write_bytes(table.read_text("utf-8").encode("cp1252"))
    seen = me.refused(me.propose, table)
    yield seen
    command = seen.partition("Convert it: ")[2].splitlines()[0]
    subprocess.run(["sh", "-c", command], check=True)
    me.propose(table)


@follows("Say how high and wide: --size 28x20")
def pixels_that_are_no_square(root: Path) -> Iterator[str]:
    header = ["label", *(f"pixel{number}" for number in range(20))]
    rows = [[n % 3, *image.ravel().tolist()] for n, image in enumerate(make_pixels(60))]
    table = write(root / "pixels.csv", [header, *rows])
    yield me.refused(me.propose, table)
    me.propose(table, "--size 4x5")


@follows("--size and --channels say something else. Leave them out")
def nested_pixels(root: Path) -> Iterator[str]:
    kinds = [CLASSES[number % 3] for number in range(60)]
    images = [image[..., 0].tolist() for image in make_pixels(60)]
    table = root / "pixels.parquet"
    parquet.write_table(pa.table({"kind": kinds, "image": images}), table)
    yield me.refused(me.propose, table, "--size 5x4")
    me.propose(table)


# What a proposal tells to do.


@follows("dvc add …", "cp … params.yaml")
def what_comes_next(root: Path) -> Iterator[str]:
    told = me.propose(root)
    yield told
    shutil.copy(PROJECT / "tests" / "params.yaml", "params.yaml")
    commands = [line.strip() for line in told.splitlines() if line.startswith("  dvc add")]
    commands += [line.strip() for line in told.splitlines() if line.startswith("  cp ")]
    folder = f"{PROJECT / '.venv' / 'bin'}:{os.environ['PATH']}"
    for command in ["git init -q", "dvc init -q", *commands]:
        subprocess.run(["sh", "-c", command], check=True, env=os.environ | {"PATH": folder})
    assert Path("animals.dvc").is_file()
    me.ingest()


@follows("a smaller --size, or", "train.batch_size in the proposal")
def more_memory_than_there_is(root: Path) -> Iterator[str]:
    for number, image in enumerate(make_pixels(48, seed=7)):
        large = np.kron(image[..., 0], np.ones((40, 40), np.uint8))
        Image.fromarray(large).save(root / "cat" / f"large {number}.png")
    with pytest.MonkeyPatch.context() as patch:
        pages = 10**9 // os.sysconf("SC_PAGE_SIZE") + 1000
        asked = os.sysconf
        patch.setattr(os, "sysconf", lambda name: pages if name == "SC_PHYS_PAGES" else asked(name))
        yield me.propose(root, "--size 100x100")
        assert "a smaller --size" not in me.propose(root, "--size 8x8")


def test_every_message_with_a_remedy_has_a_case_and_no_case_is_of_the_past() -> None:
    texts = collect(("tasks/images", "tasks/ingest", "tasks/propose"), _REMEDY)
    cases.compare({text for text in texts if not text.startswith("tasks.")}, ELSEWHERE, HINTS)


@pytest.mark.parametrize("case", dict.fromkeys(cases.values()), ids=lambda case: case.__name__)
def test_who_does_what_the_message_says_gets_on(case: Case, root: Path) -> None:
    cases.run(case, root)
