"""data/raw: what ingest writes is what the other stages read, or they refuse it."""

from pathlib import Path

import numpy as np
import pytest

from tasks.core import dataset
from tasks.core.dataset import (
    ImageSplit,
    Selection,
    SplitName,
    load_manifest,
    load_split,
    save_splits,
)
from tasks.runner.errors import InputError


@pytest.fixture
def splits() -> dict[SplitName, ImageSplit]:
    generator = np.random.default_rng(0)
    counts: dict[SplitName, int] = {"train": 20, "test": 5}
    return {
        name: ImageSplit(
            images=generator.integers(0, 256, (count, 4, 4, 1), dtype=np.uint8),
            labels=generator.integers(0, 3, count, dtype=np.uint8),
        )
        for name, count in counts.items()
    }


@pytest.fixture
def folder(tmp_path: Path, splits: dict[SplitName, ImageSplit]) -> Path:
    save_splits(
        tmp_path / "raw",
        {name: split.all() for name, split in splits.items()},
        {"data_set": "noise"},
    )
    return tmp_path / "raw"


@pytest.mark.parametrize("name", ["train", "test"])
def test_what_was_saved_is_loaded(
    folder: Path, splits: dict[SplitName, ImageSplit], name: SplitName
) -> None:
    loaded = load_split(name, folder)
    np.testing.assert_array_equal(loaded.images, splits[name].images)
    np.testing.assert_array_equal(loaded.labels, splits[name].labels)


def test_the_same_arrays_give_the_same_bytes(
    folder: Path, tmp_path: Path, splits: dict[SplitName, ImageSplit]
) -> None:
    save_splits(
        tmp_path / "again",
        {name: split.all() for name, split in splits.items()},
        {"data_set": "noise"},
    )
    for file in folder.iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()


def test_a_selection_is_saved_as_numpy_would_save_it(
    tmp_path: Path, splits: dict[SplitName, ImageSplit], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "_CHUNK_BYTES", 50)
    positions = np.array([7, 3, 11, 0, 19])
    selection = Selection(splits["train"], positions)
    save_splits(tmp_path / "some", {"train": selection}, None)
    np.save(tmp_path / "rival.npy", splits["train"].images[positions])
    saved = tmp_path / "some" / "train_images.npy"
    assert saved.read_bytes() == (tmp_path / "rival.npy").read_bytes()


def test_a_selection_gives_its_images_in_its_own_order_as_copies(
    splits: dict[SplitName, ImageSplit], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = splits["train"]
    selection = Selection(source, np.array([7, 3, 11]))
    taken = selection.take(np.array([2, 0]))
    np.testing.assert_array_equal(taken, source.images[[11, 7]])
    assert not np.shares_memory(taken, source.images)
    np.testing.assert_array_equal(selection.labels, source.labels[[7, 3, 11]])
    monkeypatch.setattr(dataset, "_CHUNK_BYTES", 2 * source.images[0].nbytes)
    chunks = list(selection.chunks())
    assert [len(chunk) for chunk in chunks] == [2, 1]
    np.testing.assert_array_equal(np.concatenate(chunks), source.images[[7, 3, 11]])


def test_images_of_a_mapped_file_are_taken_wherever_they_lie(tmp_path: Path) -> None:
    """Each larger than a page of memory, none at the start of one; the last ends with the file."""
    images = np.random.default_rng(0).integers(0, 256, (9, 51, 37, 3), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    selection = Selection(ImageSplit(mapped, np.zeros(9, np.uint8)), np.array([8, 0, 3, 7]))
    np.testing.assert_array_equal(selection.take(np.arange(4)), images[[8, 0, 3, 7]])
    part = Selection(ImageSplit(mapped[2:], np.zeros(7, np.uint8)), np.array([6, 1]))
    np.testing.assert_array_equal(part.take(np.arange(2)), images[[8, 3]])


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_array_is_refused_with_both_hashes_and_the_remedy(
    folder: Path, damage: str
) -> None:
    path = folder / "train_images.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    if damage == "flip":
        path.write_bytes(content)
    elif damage == "cut":
        path.write_bytes(content[:-7])
    else:
        path.unlink()
    expected = load_manifest(folder)["arrays"]["train_images.npy"]["sha256"]
    with pytest.raises(InputError, match=f"{expected}.*dvc repro --force ingest"):
        load_split("train", folder)


@pytest.mark.parametrize(
    "content", ["{", "{}", "[]", '{"arrays": []}', '{"arrays": {"train_images.npy": {}}}']
)
def test_a_damaged_manifest_is_refused_with_the_remedy(folder: Path, content: str) -> None:
    (folder / "manifest.json").write_text(content)
    with pytest.raises(InputError, match=r"manifest\.json can't be read .* dvc repro ingest"):
        load_split("train", folder)
