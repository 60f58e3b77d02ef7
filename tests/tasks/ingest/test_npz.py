"""One npz file, read a few images at a time."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from tasks.ingest.parameters import IngestParameters
from tasks.ingest.stage import read_source
from tasks.runner.errors import InputError
from tests.tasks.ingest.conftest import (
    CHOICE,
    Ingest,
    as_sets,
    assert_equal,
    make_data,
    make_pixels,
)

LABELS = np.arange(30) % 3


def parameters(path: Path) -> dict:
    return CHOICE | {"format": "npz", "first_label": 0, "path": str(path)}


def save(path: Path, *, channels: int = 1, **changes: np.ndarray | None) -> Path:
    arrays = {
        f"{part}_{kind}": array
        for seed, part in enumerate(("train", "val", "test"))
        for kind, array in (
            ("images", make_pixels(30, seed=seed, channels=channels)),
            ("labels", LABELS[:, None]),
        )
    }
    kept = {name: array for name, array in (arrays | changes).items() if array is not None}
    np.savez_compressed(path, **kept)  # pyright: ignore[reportArgumentType]
    return path


@pytest.mark.parametrize("channels", [1, 3])
def test_the_order_is_kept_and_val_is_trained_on(
    tmp_path: Path, ingest: Ingest, channels: int
) -> None:
    found = ingest(parameters(save(tmp_path / "a.npz", channels=channels)), channels=channels)
    expected = [make_pixels(30, seed=seed, channels=channels) for seed in range(3)]
    np.testing.assert_array_equal(found["train"].images, np.concatenate(expected[:2]))
    np.testing.assert_array_equal(found["test"].images, expected[2])
    np.testing.assert_array_equal(found["train"].labels, np.tile(LABELS, 2))


def test_grey_images_without_an_axis_of_channels_are_read(tmp_path: Path, ingest: Ingest) -> None:
    path = save(tmp_path / "a.npz", train_images=make_pixels(30)[..., 0], train_labels=LABELS)
    np.testing.assert_array_equal(ingest(parameters(path))["train"].images[:30], make_pixels(30))


def test_the_names_of_keras_are_read_too(tmp_path: Path, ingest: Ingest) -> None:
    names = {f"{letter}_{part}": (part, letter) for letter in "xy" for part in ("train", "test")}
    with np.load(save(tmp_path / "a.npz")) as arrays:
        kinds = {"x": "images", "y": "labels"}
        content = {name: arrays[f"{part}_{kinds[kind]}"] for name, (part, kind) in names.items()}
    content |= {name: content[name].ravel() for name in ("y_train", "y_test")}
    np.savez(tmp_path / "mnist.npz", **content)
    found = ingest(parameters(tmp_path / "mnist.npz"))
    for split, seed in ((found["train"], 0), (found["test"], 2)):
        np.testing.assert_array_equal(split.images, make_pixels(30, seed=seed))
        np.testing.assert_array_equal(split.labels, LABELS)


@pytest.mark.parametrize("style", ["{}_images {}_labels", "x_{} y_{}", "X_{} Y_{}"])
@pytest.mark.parametrize(
    ("words", "num_test"),
    [
        ("train valid test", 30),
        ("training eval", 30),
        ("train testing", 30),
        ("Train Dev", None),
        ("train val valid validation dev test testing eval evaluation", 120),
        ("train training test", 30),
    ],
)
def test_every_word_for_a_part_is_known_and_several_are_joined(
    tmp_path: Path, ingest: Ingest, style: str, words: str, num_test: int | None
) -> None:
    arrays, images = {}, []
    for seed, word in enumerate(words.split()):
        images.append(make_pixels(30, seed=seed))
        for name, array in zip(style.split(), (images[-1], LABELS), strict=True):
            arrays[name.format(word)] = array
    np.savez(tmp_path / "a.npz", **arrays)
    found = ingest(parameters(tmp_path / "a.npz"))
    number = 30 * len(images)
    assert len(found["train"].images) + len(found["test"].images) == number
    if num_test:
        np.testing.assert_array_equal(found["test"].images, np.concatenate(images)[-num_test:])
        np.testing.assert_array_equal(found["train"].images, np.concatenate(images)[:-num_test])


@pytest.mark.parametrize(
    "name",
    ["test_x", "x_test_2", "xtest", "Xtest", "testset", "train_images2", "val_data", "images_test"],
)
def test_what_may_be_of_a_part_is_never_left_aside(
    tmp_path: Path, ingest: Ingest, name: str
) -> None:
    more: dict = {name: make_pixels(30, seed=9)}
    path = save(tmp_path / "a.npz", **more)
    with pytest.raises(InputError, match=f"holds {name}, which has a part in its name.* leave it"):
        ingest(parameters(path))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"x_test": make_pixels(30)}, "test_images and x_test, both test images; expected one"),
        ({"Test_Labels": LABELS}, "test_labels and Test_Labels, both test labels"),
        ({"eval_labels": LABELS}, "missing: eval_images"),
        ({"x_valid": make_pixels(30)}, "missing: valid_labels"),
    ],
)
def test_arrays_that_are_there_twice_or_half_are_refused(
    tmp_path: Path, ingest: Ingest, more: dict, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        ingest(parameters(save(tmp_path / "a.npz", **more)))


def test_other_arrays_are_left_aside_and_named(tmp_path: Path, ingest: Ingest) -> None:
    expected = ingest(parameters(save(tmp_path / "a.npz")))
    more: dict = {"class_names": np.array(["cat", {}]), "extra": make_pixels(9)}
    path = save(tmp_path / "b.npz", **more)
    assert_equal(ingest(parameters(path)), expected)
    source = read_source(
        TypeAdapter(IngestParameters).validate_python(parameters(path)), make_data()
    )
    assert list(source.aside.describe()) == ["an array of another name: 2 (class_names, extra)"]


def test_without_test_images_some_are_chosen_by_content(tmp_path: Path, ingest: Ingest) -> None:
    nothing: dict = dict.fromkeys(("val_images", "val_labels", "test_images", "test_labels"))
    found = as_sets(ingest(parameters(save(tmp_path / "a.npz", **nothing))))
    assert {label for _, label in found["test"]} == {0, 1, 2}
    assert len(found["train"]) + len(found["test"]) == 30
    order = np.random.default_rng(1).permutation(30)
    shuffled = nothing | {"train_images": make_pixels(30)[order], "train_labels": LABELS[order]}
    assert as_sets(ingest(parameters(save(tmp_path / "b.npz", **shuffled)))) == found


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_images": None}, "missing: train_images"),
        ({"test_labels": None}, "missing: test_labels"),
        ({"train_images": make_pixels(30) / 255}, r"type float64; expected uint8"),
        ({"train_images": make_pixels(30).astype(np.uint16)}, r"type uint16; expected uint8"),
        ({"val_images": make_pixels(30)[:, :3]}, r"3 × 5 pixels in 1 channel; .* says 4 × 5"),
        ({"train_images": make_pixels(30, channels=3)}, "in 3 channels"),
        ({"train_images": np.zeros((30, 4, 5, 6), np.uint8)}, r"1 or 3\)"),
        ({"train_images": np.asfortranarray(make_pixels(30))}, "columns first"),
        ({"train_images": np.array([{}] * 30)}, "objects"),
        ({"train_labels": LABELS[:29]}, "30 images of train, but 29 labels"),
        ({"train_labels": np.ones((30, 14), int)}, "one whole number per image"),
        ({"train_labels": LABELS / 2}, "one whole number per image"),
        ({"train_labels": LABELS + 1}, r"10 images have labels outside 0 to 2, .*: 3 \(10\)"),
        ({"train_labels": LABELS - 1}, r"10 images have labels outside 0 to 2, .*: -1 \(10\)"),
        ({"train_labels": LABELS + 256}, r"30 images have labels outside 0 to 2"),
    ],
)
def test_other_arrays_are_refused(
    tmp_path: Path, ingest: Ingest, changes: dict, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        ingest(parameters(save(tmp_path / "a.npz", **changes)))


def test_a_name_that_leads_out_of_the_file_is_refused(tmp_path: Path, ingest: Ingest) -> None:
    path = save(tmp_path / "a.npz")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../train_images.npy", b"")
    with pytest.raises(InputError, match=r"a file with the name \.\./\.\./train_images:"):
        ingest(parameters(path))


def test_labels_that_would_fill_the_memory_are_refused_unread(
    tmp_path: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.ingest.npz._MAX_LABEL_BYTES", 8 * 29)
    with pytest.raises(InputError, match="train_labels asks for 240 bytes; expected 232"):
        ingest(parameters(save(tmp_path / "a.npz")))


def test_a_header_that_states_more_than_the_file_has_is_refused_unread(
    tmp_path: Path, ingest: Ingest
) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for kind, shape in (("images", (2**40, 4, 5)), ("labels", (2**40,))):
            header = io.BytesIO()
            np.lib.format.write_array_header_1_0(
                header, {"descr": "|u1", "fortran_order": False, "shape": shape}
            )
            archive.writestr(f"train_{kind}.npy", header.getvalue())
    with pytest.raises(
        InputError, match=r"train_images holds 0 bytes of data; its header says 1\d+ × 4 × 5"
    ):
        ingest(parameters(path))


@pytest.mark.parametrize("end", [0, 10, 1000, -1000, -30])
def test_a_truncated_file_is_refused(tmp_path: Path, ingest: Ingest, end: int) -> None:
    path = save(tmp_path / "a.npz")
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(InputError, match=r"a\.npz "):
        ingest(parameters(path))


def test_a_damaged_byte_is_noticed(tmp_path: Path, ingest: Ingest) -> None:
    path = save(tmp_path / "a.npz")
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npz: train_images .* Bad CRC-32"):
        ingest(parameters(path))


def test_a_missing_file_is_refused(tmp_path: Path, ingest: Ingest) -> None:
    with pytest.raises(InputError, match=r"a\.npz can't be read: .*No such file"):
        ingest(parameters(tmp_path / "a.npz"))
