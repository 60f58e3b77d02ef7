"""Stages that work in parts write the same bytes on a cluster as on this machine."""

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tasks.core.parameters import DataParameters
from tasks.images import statistics
from tasks.images.statistics import describe_images
from tasks.ingest import collect
from tasks.ingest.parameters import FoldersParameters
from tasks.ingest.stage import read_source, write_splits
from tasks.runner.parts import SCHEDULER_VARIABLE
from tests.cluster.functions import read_only_in
from tests.cluster.rig import Cluster, cluster_of
from tests.tasks.ingest.conftest import FILES

DATA = DataParameters(
    name="spots",
    classes=("dark", "light"),
    height=6,
    width=5,
    channels=1,
    train_images=None,
    test_images=None,
)


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster_of(tmp_path_factory.mktemp("cluster"), workers=2) as cluster:
        yield cluster


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FoldersParameters:
    """60 images of two classes, two of which can't be used, under a path that isn't absolute."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    for name, lowest in (("dark", 0), ("light", 128)):
        Path("source", name).mkdir(parents=True)
        for number in range(30):
            pixels = generator.integers(lowest, lowest + 128, (6, 5), np.uint8)
            Image.fromarray(pixels).save(f"source/{name}/{number}.png")
        Path("source", name, "7.png").write_bytes(b"?")
    return FoldersParameters.model_validate(
        FILES | {"format": "folders", "path": "source", "max_faulty_share": 0.1}
    )


def ingest(source: FoldersParameters, folder: Path) -> tuple[dict[str, bytes], list[str]]:
    lines = write_splits(read_source(source, DATA), folder, data=DATA)
    return {path.name: path.read_bytes() for path in folder.iterdir()}, lines


def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SCHEDULER_VARIABLE)


def test_ingest_reads_files_on_workers_and_names_the_faults_of_one_process(
    cluster: Cluster,
    source: FoldersParameters,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(collect, "_MOST", 8)
    found = ingest(source, tmp_path / "on-cluster")
    assert "read here" not in capsys.readouterr().out
    alone(monkeypatch)
    assert found == ingest(source, tmp_path / "here")
    assert len(found[1]) == 2


def test_an_image_that_a_worker_can_not_read_is_read_here(
    cluster: Cluster,
    source: FoldersParameters,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A file that another machine lacks is no fault of the image."""
    whole = read_source(source, DATA)
    entries = [
        entry._replace(load=partial(read_only_in, entry.load, process=os.getpid()))
        for entry in whole.entries
    ]
    write_splits(replace(whole, entries=entries), tmp_path / "on-cluster", data=DATA)
    assert "58 images were read here" in capsys.readouterr().out
    alone(monkeypatch)
    expected, _ = ingest(source, tmp_path / "here")
    assert expected == {
        path.name: path.read_bytes() for path in (tmp_path / "on-cluster").iterdir()
    }


def test_statistics_are_made_of_a_mapped_file_by_workers(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (100, 4, 4, 1), np.uint8)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    monkeypatch.setattr(statistics, "_CHUNK_PIXELS", 16 * 7)
    on_cluster = [describe_images(mapped), describe_images(images)]
    alone(monkeypatch)
    expected = describe_images(mapped)
    for found in on_cluster:
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
