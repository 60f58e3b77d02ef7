"""A folder of parts holds the rows of the one table, and what is there isn't made again."""

import json
import re
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from tasks.images.errors import ImageError
from tasks.images.files import read_file
from tasks.predict.attempts import attempt
from tasks.predict.classify import Summary
from tasks.predict.images import Files, open_images
from tasks.predict.model import Model
from tasks.predict.parameters import PredictParameters
from tasks.predict.parts import LIST_NAME, classify_images, make_plan
from tasks.runner.errors import InputError, NetworkError
from tasks.runner.lock import hold_run

SIZES = PredictParameters(batch_size=4, part_size=10, threads=1)


def classify(images: Path | str, output: Path, model: Model) -> tuple[Summary, list[int]]:
    counts: list[int] = []
    summary = classify_images(
        output,
        open_images(str(images), model.policy),
        model,
        SIZES,
        measure=True,
        on_images=counts.append,
    )
    return summary, counts


def parts_of(folder: Path) -> list[Path]:
    return [folder / name for name in json.loads((folder / LIST_NAME).read_text())["parts"]]


def read(folder: Path) -> pa.Table:
    return pa.concat_tables([parquet.read_table(part) for part in parts_of(folder)])


def keys_of(folder: Path) -> set[str]:
    return {part.name.rpartition("-")[2] for part in folder.glob("part-*")}


@pytest.fixture
def folder(tmp_path: Path, images: np.ndarray) -> Path:
    """35 images and a broken one."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number, image in enumerate(images[:35]):
        np.save(folder / f"{number:02}.npy", image)
    (folder / "17-broken.png").write_text("no picture")
    return folder


def test_the_parts_are_the_one_table(folder: Path, tmp_path: Path, model: Model) -> None:
    output = tmp_path / "parts"
    summary, counts = classify(folder, output, model)
    expected, _ = classify(folder, tmp_path / "table.parquet", model)
    table = parquet.read_table(tmp_path / "table.parquet")
    assert read(output).equals(table)
    assert parquet.read_table(output).sort_by("image").equals(table)
    assert (summary.num_images, summary.num_errors, sum(counts)) == (36, 1, 36)
    assert summary.first_errors == expected.first_errors
    assert summary.batch is not None
    assert expected.batch is not None
    np.testing.assert_array_equal(summary.batch.counts, expected.batch.counts)
    np.testing.assert_allclose(summary.batch.sums, expected.batch.sums)
    content = json.loads((output / LIST_NAME).read_text())
    assert list(content["parts"].values()) == [10, 10, 10, 6]
    assert (content["model"], content["images"], content["errors"]) == (model.version, 36, 1)
    for number, part in enumerate(parts_of(output), start=1):
        assert re.fullmatch(rf"part-0000{number}-of-00004-[0-9a-f]{{16}}\.parquet", part.name)


def test_a_second_run_makes_nothing_and_one_without_some_parts_makes_those(
    folder: Path, tmp_path: Path, model: Model
) -> None:
    output = tmp_path / "parts"
    classify(folder, output, model)
    first = {part: part.read_bytes() for part in parts_of(output)}
    times = {part: part.stat().st_mtime_ns for part in first}
    _, counts = classify(folder, output, model)
    assert counts == [36]
    missing = [parts_of(output)[place] for place in (0, 2)]
    for part in missing:
        part.unlink()
    (output / LIST_NAME).unlink()
    _, counts = classify(folder, output, model)
    assert counts == [16, 10, 10]
    assert {part: part.read_bytes() for part in parts_of(output)} == first
    for part, time in times.items():
        assert (part.stat().st_mtime_ns == time) == (part not in missing)


def test_only_images_that_were_added_changed_or_lost_their_part_are_classified(
    folder: Path, tmp_path: Path, model: Model, images: np.ndarray
) -> None:
    output = tmp_path / "parts"
    classify(folder, output, model)
    before = keys_of(output)
    for number in (40, 50):
        np.save(folder / f"a{number}.npy", images[number])
    np.save(folder / "00-first.npy", images[60])
    _, counts = classify(folder, output, model)
    assert counts == [36, 3]
    assert keys_of(output) > before
    assert sorted(read(output)["image"].to_pylist()) == sorted(
        file.name for file in folder.iterdir()
    )
    np.save(folder / "12.npy", images[70])
    (folder / "31.npy").unlink()
    _, counts = classify(folder, output, model)
    assert counts[0] == 10 + 10 + 3
    assert sum(counts) == 38
    assert len(before & keys_of(output)) == 2
    whole, _ = classify(folder, tmp_path / "table.parquet", model)
    table = parquet.read_table(tmp_path / "table.parquet")
    assert whole.num_images == 38
    assert read(output).sort_by("image").equals(table.sort_by("image"))


def test_an_image_that_could_not_be_read_is_read_again_and_only_that(
    folder: Path, tmp_path: Path, model: Model
) -> None:
    """Its stamp is the same: what was wrong is the disk, a permission, or that it wasn't there."""
    output = tmp_path / "parts"
    names = [file.name for file in sorted(folder.iterdir())]
    table = tmp_path / "images" / "table.csv"
    table.write_text("path\n" + "\n".join([*names, "later.npy"]) + "\n")
    for counts in ([0, 10, 10, 10, 6, 1], [36, 1]):
        summary, found = classify(table, output, model)
        assert (summary.num_errors, found) == (2, counts)
    (folder / "later.npy").write_bytes((folder / "03.npy").read_bytes())
    summary, found = classify(table, output, model)
    assert (summary.num_errors, found) == (1, [36, 1])
    assert classify(table, output, model)[1] == [37]


def test_an_error_of_the_disk_is_forgotten_when_it_is_mended(
    folder: Path, tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "parts"

    def fail(path: Path, *, name: str, follow_links: bool) -> bytes:
        if name == "05.npy":
            raise ImageError(name, "can't be read", ": Input/output error")
        return read_file(path, name=name, follow_links=follow_links)

    monkeypatch.setattr("tasks.images.sources.read_file", fail)
    assert classify(folder, output, model)[0].num_errors == 2
    monkeypatch.undo()
    summary, counts = classify(folder, output, model)
    assert (summary.num_errors, counts) == (1, [26, 9, 1])
    assert classify(folder, output, model)[1] == [36]


def test_another_version_makes_all_parts_anew_and_a_broken_part_is_made_again(
    folder: Path, tmp_path: Path, model: Model
) -> None:
    output = tmp_path / "parts"
    classify(folder, output, model)
    before = keys_of(output)
    images = open_images(str(folder), model.policy)
    assert len(make_plan(output, images, version=model.version, size=10)[1]) == 0
    assert len(make_plan(output, images, version="another", size=10)[1]) == 4
    path = min(output.glob("part-*"))
    path.write_bytes(path.read_bytes()[:100])
    _, counts = classify(folder, output, model)
    assert keys_of(output) == before
    assert counts == [26, 10]
    path = min(output.glob("part-*"))
    parquet.write_table(parquet.read_table(path).replace_schema_metadata(None), path)
    assert classify(folder, output, model)[1] == [26, 10]


def test_an_array_is_made_in_parts_too(tmp_path: Path, images: np.ndarray, model: Model) -> None:
    np.save(tmp_path / "images.npy", images)
    classify(tmp_path / "images.npy", tmp_path / "parts", model)
    classify(tmp_path / "images.npy", tmp_path / "table.parquet", model)
    assert read(tmp_path / "parts").equals(parquet.read_table(tmp_path / "table.parquet"))


def test_what_is_there_and_is_no_folder_of_predictions_is_never_touched(
    folder: Path, tmp_path: Path, model: Model
) -> None:
    output = tmp_path / "mine"
    output.mkdir()
    classify(folder, output, model)
    (output / "notes.txt").write_text("mine")
    classify(folder, output, model)
    assert (output / "notes.txt").read_text() == "mine"
    for name in ("other", "file"):
        other = tmp_path / name
        if name == "other":
            other.mkdir()
            (other / "notes.txt").write_text("mine")
        else:
            other.write_text("mine")
        with pytest.raises(InputError, match=r"no folder of predictions.*Name another"):
            classify(folder, other, model)
    assert [file.name for file in (tmp_path / "other").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("note", "content"),
    [
        (LIST_NAME, "mine"),
        (LIST_NAME, ""),
        (LIST_NAME, '["parts"]'),
        (LIST_NAME, '{"parts": {}}'),
        (LIST_NAME, "[" * 100_000),
        (".work/notes.txt", "mine"),
        (".work/run.lock", "4711"),
        (".work/run.lock", '{"pid": 4711}'),
    ],
)
def test_a_folder_whose_note_is_of_another_program_is_never_touched(
    folder: Path, tmp_path: Path, model: Model, note: str, content: str
) -> None:
    path = tmp_path / "theirs" / note
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(InputError, match=r"no folder of predictions.*Name another"):
        classify(folder, tmp_path / "theirs", model)
    assert path.read_text() == content
    assert [file for file in (tmp_path / "theirs").rglob("*") if file.is_file()] == [path]


@pytest.mark.parametrize("left", [".work/run.lock", LIST_NAME])
def test_a_folder_is_known_by_its_list_or_by_its_lock_alone(
    folder: Path, tmp_path: Path, model: Model, left: str
) -> None:
    """A run that ended early leaves no list, and who copies a folder may leave hidden ones."""
    output = tmp_path / "parts"
    classify(folder, output, model)
    shutil.rmtree(output / ".work") if left == LIST_NAME else (output / LIST_NAME).unlink()
    assert classify(folder, output, model)[1] == [36]


def test_a_run_that_found_the_disk_full_at_its_first_byte_is_gone_on_with(
    folder: Path, tmp_path: Path, model: Model
) -> None:
    (tmp_path / "parts" / ".work").mkdir(parents=True)
    (tmp_path / "parts" / ".work" / "run.lock").touch()
    assert classify(folder, tmp_path / "parts", model)[0].num_images == 36


def test_a_link_that_leads_nowhere_is_no_place_for_parts(
    folder: Path, tmp_path: Path, model: Model
) -> None:
    for name, target in (("itself", "itself"), ("gone", "nowhere")):
        (tmp_path / name).symlink_to(target)
        with pytest.raises(InputError, match=r"no folder of predictions.*Name another"):
            classify(folder, tmp_path / name, model)


def test_a_second_run_into_the_same_folder_is_held_off(
    folder: Path, tmp_path: Path, model: Model
) -> None:
    output = tmp_path / "parts"
    with (
        hold_run("a test", output / ".work"),
        pytest.raises(InputError, match="in use by a test"),
    ):
        classify(folder, output, model)


def test_a_folder_of_parts_within_the_images_is_left_aside(folder: Path, model: Model) -> None:
    classify(folder, folder / "parts", model)
    _, counts = classify(folder, folder / "parts", model)
    assert counts == [36]


def test_an_image_that_has_ended_three_attempts_is_not_read_again(
    folder: Path, tmp_path: Path, model: Model
) -> None:
    """Two that ended at another image, or between images, don't count."""
    images = open_images(str(folder), model.policy)
    assert isinstance(images, Files)
    begin_attempt = partial(attempt, tmp_path / "reading", images.names)
    for name in ("03.npy", None, "05.npy", "03.npy", None, None, "03.npy", "05.npy"):
        with begin_attempt() as begin:
            begin(name)
    with begin_attempt() as images.begin:
        (batch,) = images.batches(99)
    errors = dict(zip(batch.names, batch.errors, strict=True))
    assert errors.pop("03.npy") == "03.npy has ended the process that read it, 3 times"
    assert [name for name, error in errors.items() if error] == ["17-broken.png"]


def test_a_failure_that_the_process_outlives_is_not_the_images_fault(tmp_path: Path) -> None:
    for _ in range(5):
        with pytest.raises(NetworkError), attempt(tmp_path / "reading", ["a"]) as begin:
            begin("a")
            raise NetworkError("the store refuses")
