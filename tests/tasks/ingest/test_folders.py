"""A folder of images per class: content alone decides, and each kind of bad input is named."""

import os
import shutil
import unicodedata
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from tasks.images.decode import READ
from tasks.ingest.folders import read_folders
from tasks.ingest.parameters import FoldersParameters, require_source_outside_outputs
from tasks.ingest.stage import write_splits
from tasks.runner.errors import InputError
from tests.tasks.ingest.conftest import (
    CLASSES,
    FILES,
    Ingest,
    as_sets,
    assert_equal,
    make_data,
    make_pixels,
    save_classes,
    save_image,
)


def parameters(folder: Path, **changes: object) -> dict:
    return FILES | {"format": "folders", "path": str(folder)} | changes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_classes(tmp_path / "animals")
    return tmp_path / "animals"


@pytest.mark.parametrize("channels", [1, 3])
def test_every_image_comes_with_its_label_and_pixels(
    tmp_path: Path, ingest: Ingest, channels: int
) -> None:
    save_classes(tmp_path / "animals", channels=channels)
    found = as_sets(ingest(parameters(tmp_path / "animals"), channels=channels))
    assert not found["train"] & found["test"]
    assert found["train"] | found["test"] == {
        (image.tobytes(), label)
        for label in range(3)
        for image in make_pixels(16, seed=label, channels=channels)
    }
    assert {label for _, label in found["test"]} == {0, 1, 2}


def test_order_names_and_times_do_not_matter(folder: Path, tmp_path: Path, ingest: Ingest) -> None:
    other = tmp_path / "elsewhere"
    for number, path in enumerate(sorted(folder.rglob("*.png"), reverse=True)):
        target = other / path.parent.name / "deeper" / f"{number:03}.PNG"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
        os.utime(target, (number, number))
    assert_equal(ingest(parameters(folder)), ingest(parameters(other)))


def test_another_compression_does_not_matter(folder: Path, tmp_path: Path, ingest: Ingest) -> None:
    before = ingest(parameters(folder))
    for path in folder.rglob("*.png"):
        Image.open(path).convert("RGB").save(path, compress_level=0)
    assert_equal(before, ingest(parameters(folder)))


def test_added_images_move_none_of_the_old_ones(folder: Path, ingest: Ingest) -> None:
    before = as_sets(ingest(parameters(folder)))
    save_classes(folder, seed=1)
    after = as_sets(ingest(parameters(folder)))
    assert before["train"] < after["train"]
    assert before["test"] < after["test"]


def test_the_test_images_are_another_choice_than_the_validation_images(
    folder: Path, ingest: Ingest
) -> None:
    """With one hash for both, no training image would be left to validate on."""
    from tasks.prepare.split import split_indices

    save_classes(folder, per_class=100)
    train = ingest(parameters(folder, test_share=0.5))["train"]
    _, validation = split_indices(
        train.images, train.labels, validation_share=0.3, seed=0, classes=CLASSES
    )
    assert abs(len(validation) / len(train.labels) - 0.3) < 0.15


def test_given_splits_are_kept_and_val_is_trained_on(tmp_path: Path, ingest: Ingest) -> None:
    for number, part in enumerate(("train", "val", "test")):
        save_classes(tmp_path / "animals" / part, seed=number)
    found = ingest(parameters(tmp_path / "animals"))
    assert {name: len(split.labels) for name, split in found.items()} == {"train": 96, "test": 48}
    expected = {
        (image.tobytes(), label)
        for label in range(3)
        for image in make_pixels(16, seed=200 + label)
    }
    assert as_sets(found)["test"] == expected


def test_given_test_images_of_which_none_can_be_used_are_not_replaced(
    tmp_path: Path, ingest: Ingest
) -> None:
    save_classes(tmp_path / "animals" / "train")
    for file in (tmp_path / "animals" / "train").glob("*/0-1.png"):
        place = tmp_path / "animals" / "test" / file.parent.name / file.name
        place.parent.mkdir(parents=True)
        place.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"(?s)own test images can be used.*: 3 \("):
        ingest(parameters(tmp_path / "animals", max_faulty_share=0.1))


def test_what_lies_beside_the_classes_and_hidden_files_are_ignored(
    folder: Path, ingest: Ingest
) -> None:
    before = ingest(parameters(folder))
    (folder / "README.md").write_text("animals")
    (folder / ".cache").mkdir()
    (folder / "cat" / ".DS_Store").write_text("")
    assert_equal(before, ingest(parameters(folder)))


def test_a_corrupt_image_is_named_and_counted_and_left_out_up_to_a_limit(
    folder: Path, ingest: Ingest
) -> None:
    before = as_sets(ingest(parameters(folder)))
    (folder / "dog" / "broken.png").write_bytes((folder / "dog" / "0-0.png").read_bytes()[:-20])
    (folder / "dog" / "notes.txt").write_text("all of them are dogs")
    with pytest.raises(InputError) as caught:
        ingest(parameters(folder))
    lines = str(caught.value).splitlines()
    assert lines[0] == "2 of 50 images can't be used; allowed are 0.0%:"
    assert lines[1].startswith(f"{folder}/dog/broken.png is damaged")
    assert lines[2] == f"{folder}/dog/notes.txt is no {READ}"
    assert "ingest.max_faulty_share" in lines[3]
    assert as_sets(ingest(parameters(folder, max_faulty_share=0.06))) == before


def test_many_faults_are_counted_but_not_all_listed(folder: Path, ingest: Ingest) -> None:
    for number in range(30):
        (folder / "eel" / f"{number}.jpg").write_bytes(b"eel")
    with pytest.raises(InputError, match=r"(?s)30 of 78 images.*and 20 more"):
        ingest(parameters(folder, max_faulty_share=0.3))


def test_mixed_sizes_are_refused_or_stretched(folder: Path, ingest: Ingest) -> None:
    save_image(folder / "cat" / "large.png", np.full((8, 10, 1), 9, np.uint8))
    with pytest.raises(
        InputError, match=r"large\.png has another size: 8 × 10 pixels .* expected 4 × 5"
    ):
        ingest(parameters(folder))
    found = as_sets(ingest(parameters(folder, size="stretch")))
    assert (bytes([9]) * 20, 0) in found["train"] | found["test"]


def test_unknown_missing_and_empty_folders_are_refused(folder: Path, ingest: Ingest) -> None:
    (folder / "fox").mkdir()
    with pytest.raises(InputError, match=r"Unknown: fox\. Change"):
        ingest(parameters(folder))
    (folder / "fox").rmdir()
    shutil.rmtree(folder / "eel")
    with pytest.raises(InputError, match=r"holds the folders cat, dog; .* Missing: eel\. Change"):
        ingest(parameters(folder))
    (folder / "eel").mkdir()
    with pytest.raises(InputError, match=r"the class eel, .* holds no files"):
        ingest(parameters(folder))


def test_a_missing_folder_and_an_unknown_part_are_refused(tmp_path: Path, ingest: Ingest) -> None:
    with pytest.raises(InputError, match="isn't a folder"):
        ingest(parameters(tmp_path / "nowhere"))
    save_classes(tmp_path / "animals" / "train")
    save_classes(tmp_path / "animals" / "exam")
    with pytest.raises(InputError, match="the folder exam beside train"):
        ingest(parameters(tmp_path / "animals"))


@pytest.mark.parametrize(
    ("train", "test"), [("Training", "Testing"), ("TRAIN", "test"), ("train", "Test")]
)
def test_parts_are_known_by_the_usual_words_in_any_case(
    tmp_path: Path, ingest: Ingest, train: str, test: str
) -> None:
    for number, part in enumerate((train, "validation", test)):
        save_classes(tmp_path / "animals" / part, seed=number)
    found = ingest(parameters(tmp_path / "animals"))
    assert {name: len(split.labels) for name, split in found.items()} == {"train": 96, "test": 48}


def test_a_folder_may_be_called_train_where_it_is_a_class(tmp_path: Path, ingest: Ingest) -> None:
    classes = ("bus", "test", "train")
    for label, name in enumerate(classes):
        for number, image in enumerate(make_pixels(16, seed=label)):
            save_image(tmp_path / "traffic" / name / f"{number}.png", image)
    found = ingest(parameters(tmp_path / "traffic"), classes=classes)
    assert sum(len(split.labels) for split in found.values()) == 48


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_class_names_are_compared_in_one_form_of_unicode(
    tmp_path: Path, ingest: Ingest, form: Literal["NFC", "NFD"]
) -> None:
    save_classes(tmp_path / "cafes")
    (tmp_path / "cafes" / "cat").rename(tmp_path / "cafes" / unicodedata.normalize(form, "Café"))
    for other in ("NFC", "NFD"):
        classes = (unicodedata.normalize(other, "Café"), "dog", "eel")
        found = ingest(parameters(tmp_path / "cafes"), classes=classes)
        assert sum(len(split.labels) for split in found.values()) == 48


def test_one_class_name_in_two_forms_of_unicode_is_refused(tmp_path: Path, ingest: Ingest) -> None:
    save_classes(tmp_path / "cafes")
    for form in ("NFC", "NFD"):
        (tmp_path / "cafes" / unicodedata.normalize(form, "Café")).mkdir()
    with pytest.raises(InputError, match="two folders of the name"):
        ingest(parameters(tmp_path / "cafes"))


def test_the_folder_of_a_class_that_is_a_link_is_refused_with_a_way_out(
    folder: Path, tmp_path: Path, ingest: Ingest
) -> None:
    (folder / "cat").rename(tmp_path / "elsewhere")
    (folder / "cat").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"cat is a link .* DVC doesn't see"):
        ingest(parameters(folder))
    (folder / "cat").unlink()
    shutil.copytree(tmp_path / "elsewhere", folder / "cat")
    ingest(parameters(folder))


def test_a_class_without_an_image_that_can_be_used_is_refused_with_all_that_was_found(
    folder: Path, ingest: Ingest
) -> None:
    for path in (folder / "eel").iterdir():
        path.write_bytes(b"\0\0\0\x18ftypheic")
    Image.new("CMYK", (5, 4)).save(folder / "eel" / "ink.jpg")
    with pytest.raises(InputError) as caught:
        ingest(parameters(folder, max_faulty_share=1.0))
    first, heic, ink, last = str(caught.value).splitlines()
    assert first == "Class 2 (eel) has no image that can be used; 17 can't:"
    assert heic.startswith(f"is no {READ}, but HEIC or AVIF: 16 ({folder}/eel/0-0.png, ")
    assert ink == f"has pixels of the kind CMYK: 1 ({folder}/eel/ink.jpg)"
    assert "data.classes" in last


@pytest.mark.parametrize("inside", [True, False])
def test_a_source_in_an_output_and_an_output_in_a_source_are_refused(
    tmp_path: Path, inside: bool
) -> None:
    source, output = tmp_path / "data" / "raw" / "animals", tmp_path / "data" / "raw"
    if not inside:
        source = tmp_path / "data"
    with pytest.raises(InputError, match=r"ingest\.path .* Move the images"):
        require_source_outside_outputs(str(source), [output])
    require_source_outside_outputs(str(tmp_path / "data" / "source"), [output])


def test_one_image_in_two_classes_is_refused_or_left_out_of_both(
    folder: Path, ingest: Ingest
) -> None:
    shutil.copy(folder / "cat" / "0-0.png", folder / "dog" / "a cat.png")
    with pytest.raises(InputError) as caught:
        ingest(parameters(folder))
    message = str(caught.value)
    cat, dog = f"{folder}/cat/0-0.png (cat)", f"{folder}/dog/a cat.png (dog)"
    assert message.startswith("2 of 49 images can't be used")
    assert f"{cat} holds the same image as one of another class: {dog}" in message
    assert f"{dog} holds the same image as one of another class: {cat}" in message
    found = as_sets(ingest(parameters(folder, max_faulty_share=0.1)))
    cat_pixels = make_pixels(16)[0].tobytes()
    assert cat_pixels not in {pixels for pixels, _ in found["train"] | found["test"]}


def test_many_images_in_several_classes_are_each_named_with_another(
    folder: Path, ingest: Ingest
) -> None:
    for name in ("dog", "eel"):
        for path in (folder / "cat").iterdir():
            shutil.copy(path, folder / name / f"cat-{path.name}")
    with pytest.raises(InputError) as caught:
        ingest(parameters(folder, max_faulty_share=0.5))
    lines = str(caught.value).splitlines()
    assert lines[0] == "48 of 80 images can't be used; allowed are 50.0%:"
    for line in lines[1:11]:
        first, second = line.split(" holds the same image as one of another class: ")
        assert first.rpartition(" ")[2] != second.rpartition(" ")[2]


def test_a_name_that_is_not_utf_8_is_escaped_and_a_pipe_is_not_waited_for(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "cat" / os.fsdecode(b"\xff.png")).write_bytes(b"cat")
    os.mkfifo(folder / "cat" / "pipe.png")
    data = make_data()
    source = read_folders(
        FoldersParameters.model_validate(parameters(folder, max_faulty_share=0.1)), data
    )
    assert write_splits(source, tmp_path / "raw", data=data) == [
        f"left out: {folder}/cat/pipe.png is no regular file",
        f"left out: {folder}/cat/\\udcff.png is no {READ}",
    ]


@pytest.mark.parametrize(("mode", "fault"), [("I;16", "16 bits"), ("LA", "transparent in places")])
def test_images_that_would_lose_something_are_refused(
    folder: Path, ingest: Ingest, mode: str, fault: str
) -> None:
    Image.new(mode, (5, 4)).save(folder / "cat" / "other.png")
    with pytest.raises(InputError, match=rf"other\.png .*{fault}"):
        ingest(parameters(folder))


def test_a_class_with_fewer_images_than_uses_is_refused(folder: Path, ingest: Ingest) -> None:
    for path in sorted((folder / "eel").iterdir())[2:]:
        path.unlink()
    with pytest.raises(InputError, match=r"^Each class needs 3 .* class 2 \(eel\) has 2\."):
        ingest(parameters(folder))


def test_a_class_of_three_images_has_one_to_test_on(folder: Path, ingest: Ingest) -> None:
    for path in sorted((folder / "eel").iterdir())[3:]:
        path.unlink()
    assert (ingest(parameters(folder))["test"].labels == 2).sum() == 1
