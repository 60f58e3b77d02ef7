"""What changed in the images since the champion's time is shown, with samples of each class."""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tasks.core.dataset import ImageSplit, Selection, SplitName, save_splits
from tasks.images.statistics import describe_images
from tasks.models.data import IMAGES_NAME
from tasks.models.store import CHAMPIONS
from workspace.archive import CHANGES_NAME
from workspace.changes import Pixels, find_groups, find_pixels, write_changes

NAMES = np.array(["cat", "dog"], object)


def make_split(numbers: range, *, relabelled: int | None = None) -> ImageSplit:
    """An image of one brightness for each number; even ones are cats."""
    images = np.repeat(np.array(numbers, np.uint8), 12).reshape(-1, 3, 4, 1)
    labels = np.array([number % 2 for number in numbers], np.uint8)
    if relabelled is not None:
        labels[numbers.index(relabelled)] ^= 1
    return ImageSplit(images, labels)


def describe(train: ImageSplit, test: ImageSplit) -> pd.DataFrame:
    frames = []
    for name, split in (("train", train), ("test", test)):
        found = describe_images(split.images)[["content", "mean", "spread", "zero_share"]]
        found["split"], found["label"] = name, NAMES[split.labels]
        frames.append(found)
    return pd.concat(frames, ignore_index=True)


def shown(strip: str | None) -> list[int]:
    """The brightnesses of the images side by side."""
    assert strip is not None
    content = base64.b64decode(strip.partition("base64,")[2])
    return np.asarray(Image.open(io.BytesIO(content)))[0, ::4].tolist()


BEFORE = make_split(range(40)), make_split(range(100, 110))
AFTER = make_split(range(10, 60), relabelled=12), make_split(range(100, 110))


NOW: Pixels = {"train": AFTER[0].images, "test": AFTER[1].images}


def test_each_class_has_its_number_and_a_few_of_its_images() -> None:
    groups = list(
        find_groups(
            describe(*BEFORE),
            describe(*AFTER),
            earlier={"train": BEFORE[0].images},
            now=NOW,
        )
    )
    assert [(group.what, group.name, group.number) for group in groups] == [
        ("came", "cat", 10),
        ("came", "dog", 10),
        ("went", "cat", 5),
        ("went", "dog", 5),
        ("changed their label", "cat → dog", 1),
    ]
    came, _, went, _, moved = (shown(group.strip) for group in groups)
    assert len(came) == 8
    assert set(came) <= set(range(40, 60, 2))
    assert set(went) == set(range(0, 10, 2))
    assert moved == [12]


def test_images_whose_pixels_are_gone_are_counted() -> None:
    tables = describe(*BEFORE), describe(*AFTER)
    none: Pixels = {}
    of_others: Pixels = {"train": BEFORE[0].images[:5]}
    for earlier in (none, of_others):
        groups = list(find_groups(*tables, earlier=earlier, now=NOW))
        went = [group for group in groups if group.what == "went"]
        assert [(group.number, group.strip) for group in went] == [(5, None)] * 2


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The present images, and a champion of earlier ones."""
    champion = tmp_path / CHAMPIONS / "abc"
    champion.mkdir(parents=True)
    describe(*BEFORE).to_parquet(champion / IMAGES_NAME)
    splits: dict[SplitName, Selection] = {"train": AFTER[0].all(), "test": AFTER[1].all()}
    save_splits(tmp_path / "data" / "raw", splits, origin={})
    return tmp_path


def write(root: Path, images: pd.DataFrame) -> Path:
    folder = root / "run"
    folder.mkdir()
    images.to_parquet(folder / IMAGES_NAME)
    write_changes(root, folder, champion="abc", trained=None)
    return folder / CHANGES_NAME


def test_the_page_names_what_changed_and_is_offline_and_without_script(root: Path) -> None:
    page = write(root, describe(*AFTER)).read_text("utf-8")
    assert "since the champion abc" in page
    assert "training images: 20 came (cat 10, dog 10), 10 went" in page
    assert "<h2>Training images that came</h2>" in page
    assert "cat → dog: 1" in page
    assert page.count("no longer in DVC") == 2
    assert re.findall(r'(?:src|href)="(?!data:|\.\./index\.html)', page) == []
    assert "<script" not in page


def test_without_a_change_there_is_no_page(root: Path) -> None:
    splits: dict[SplitName, Selection] = {"train": BEFORE[0].all(), "test": BEFORE[1].all()}
    save_splits(root / "data" / "raw", splits, origin={})
    assert not write(root, describe(*BEFORE)).exists()


def test_without_a_record_of_the_earlier_images_there_is_no_page(root: Path) -> None:
    (root / CHAMPIONS / "abc" / IMAGES_NAME).unlink()
    assert not write(root, describe(*AFTER)).exists()


def test_the_pixels_of_an_earlier_run_come_from_dvcs_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(content: bytes, name: str) -> None:
        path = tmp_path / "cache" / name[:2] / name[2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    monkeypatch.setattr("workspace.changes.find_objects", lambda _: tmp_path / "cache")
    images = io.BytesIO()
    np.save(images, BEFORE[0].images)
    put(images.getvalue(), "aa11")
    listing = [{"md5": "aa11", "relpath": "train_images.npy"}, {"md5": "bb22", "relpath": "x.json"}]
    put(json.dumps(listing).encode(), "cc33.dir")
    lock = "schema: '2.0'\nstages:\n  ingest:\n    cmd: x\n    outs:\n"
    (tmp_path / "dvc.lock").write_text(f"{lock}    - path: data/raw\n      md5: cc33.dir\n")
    found = find_pixels(tmp_path, tmp_path)
    assert found.keys() == {"train"}
    np.testing.assert_array_equal(found["train"], BEFORE[0].images)
    assert find_pixels(tmp_path, None) == {}
    (tmp_path / "cache" / "cc" / "33.dir").unlink()
    assert find_pixels(tmp_path, tmp_path) == {}
