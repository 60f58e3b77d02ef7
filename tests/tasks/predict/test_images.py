"""The images of a folder, a table of paths and an object store are the same, whole or in parts."""

import os
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from tasks.images.sources import Images
from tasks.predict.images import Listing, open_images
from tasks.predict.model import Model
from tasks.runner.errors import InputError, NetworkError
from tests.ports import free_port
from tests.store import VARIABLES, serve_store


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve_store(tmp_path_factory.mktemp("s3")) as address:
        yield address


@pytest.fixture
def bucket(server: str, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the pictures, and of what systems leave beside them."""
    for name, value in {**VARIABLES, "AWS_ENDPOINT_URL": server}.items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem("s3").clear_instance_cache()
    (pictures / ".DS_Store").write_bytes(b"finder")
    (pictures / "empty.png").touch()
    files = fsspec.filesystem("s3")
    name = f"pictures-{os.getpid()}-{abs(hash(pictures))}"
    files.mkdir(name)
    files.put(str(pictures), f"{name}/pictures", recursive=True)
    return f"s3://{name}/pictures"


def read(listing: Listing, size: int = 2) -> Images:
    """All of it as one batch."""
    batches = list(listing.batches(size))
    return Images(
        [name for batch in batches for name in batch.names],
        [error for batch in batches for error in batch.errors],
        np.concatenate([batch.pixels for batch in batches]),
    )


def assert_equal(first: Images, second: Images) -> None:
    assert first.names == second.names
    assert first.errors == second.errors
    np.testing.assert_array_equal(first.pixels, second.pixels)


@pytest.mark.parametrize("ending", ["", "/"])
def test_an_object_store_gives_what_the_folder_gives(
    ending: str, bucket: str, pictures: Path, model: Model
) -> None:
    (pictures / "b.png").write_text("no picture")
    fsspec.filesystem("s3").pipe(f"{bucket}/b.png", b"no picture")
    there = open_images(bucket + ending, model.policy)
    here = open_images(str(pictures), model.policy)
    assert_equal(read(there), read(here))
    assert list(there.aside.describe()) == list(here.aside.describe())
    one = open_images(f"{bucket}/a.png", model.policy)
    assert one.names == ["a.png"]
    np.testing.assert_array_equal(read(one).pixels, read(here).pixels[:1])


def test_a_table_may_name_images_on_several_stores(
    pictures: Path, model: Model, tmp_path: Path
) -> None:
    fsspec.filesystem("memory").pipe("/several/a.png", (pictures / "a.png").read_bytes())
    table = tmp_path / "several.csv"
    table.write_text(f"path\nmemory://several/a.png\nfile://{pictures}/a.png\n")
    several = read(open_images(str(table), model.policy))
    assert several.errors == [None, None]
    np.testing.assert_array_equal(several.pixels[0], several.pixels[1])


@pytest.mark.parametrize("by", ["the bucket", "a table"])
def test_an_object_that_changes_or_vanishes_is_noticed(
    by: str, bucket: str, model: Model, tmp_path: Path
) -> None:
    files = fsspec.filesystem("s3")
    images = bucket
    if by == "a table":
        names = ["a.png", "c.npy", "deeper/b.jpg"]
        images = str(tmp_path / "several.csv")
        Path(images).write_text("\n".join(["path", *(f"{bucket}/{name}" for name in names), ""]))
    before = open_images(images, model.policy)
    assert all(before.stamps)
    files.cp_file(f"{bucket}/c.npy", f"{bucket}/a.png")
    after = open_images(images, model.policy)
    assert [first == second for first, second in zip(before.stamps, after.stamps, strict=True)] == [
        *(False, True, True)
    ]
    files.rm_file(f"{bucket}/a.png")
    assert read(after).errors[0] == f"{after.names[0]} can't be read: there is no such object"


def test_what_is_wrong_with_an_address_is_told(
    bucket: str, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    for address in (f"{bucket}/nowhere", "s3://no-such-bucket-anywhere/animals"):
        with pytest.raises(InputError, match=r"(no images|nothing) at s3://.*Mend the address"):
            open_images(address, model.policy)
    with pytest.raises(InputError, match="can't be read"):
        open_images("nonsense://bucket", model.policy)
    there = open_images(bucket, model.policy)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    fsspec.filesystem("s3").clear_instance_cache()
    with pytest.raises(NetworkError, match=r"a\.png can't be read: .* what is finished is kept"):
        read(there)
    with pytest.raises(NetworkError, match="can't be reached"):
        open_images(bucket, model.policy)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_names_files_beside_it_elsewhere_or_on_a_store(
    ending: str, tmp_path: Path, bucket: str, pictures: Path, model: Model
) -> None:
    table = tmp_path / f"table.{ending}"
    away = tmp_path / "away.npy"
    shutil.copy(pictures / "c.npy", away)
    names = ["pictures/deeper/b.jpg", str(away), f"{bucket}/a.png"]
    names += ["pictures/missing.png", f"{bucket}/empty.png"]
    frame = pd.DataFrame({"size": 1, "path": names})
    frame.to_csv(table, index=False) if ending == "csv" else frame.to_parquet(table)
    found = read(open_images(str(table), model.policy))
    assert found.names == names
    assert [error is None for error in found.errors] == [True, True, True, False, False]
    expected = read(open_images(str(pictures), model.policy)).pixels
    np.testing.assert_array_equal(found.pixels, expected[[2, 1, 0]])


@pytest.mark.parametrize("name", ["empty.npy", "empty.csv"])
def test_a_file_of_no_images_is_refused(name: str, tmp_path: Path, model: Model) -> None:
    if name.endswith("npy"):
        np.save(tmp_path / name, np.empty((0, 28, 28, 1), np.uint8))
    else:
        (tmp_path / name).write_text("path\n")
    with pytest.raises(InputError, match=f"{name} (holds|has) no (images|rows)"):
        open_images(str(tmp_path / name), model.policy)


@pytest.mark.parametrize("scheme", ["", "file://", "memory://", "http://["])
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_path_that_no_file_can_have_is_a_row_with_an_error(
    scheme: str, ending: str, pictures: Path, model: Model
) -> None:
    table = pictures / f"table.{ending}"
    frame = pd.DataFrame({"path": ["a.png", f"{scheme}/a\0.png", "b.png"]})
    if ending == "csv":
        frame.to_csv(table, index=False)
    elif ending == "jsonl":
        frame.to_json(table, orient="records", lines=True)
    else:
        frame.to_parquet(table)
    found = read(open_images(str(table), model.policy))
    assert found.errors[0] is None
    assert f"{scheme}/a\0.png can't be read: " in str(found.errors[1])


def test_parquet_whose_text_is_not_utf_8_is_refused(tmp_path: Path, model: Model) -> None:
    """What helps CSV would break it."""
    text = pa.array([b"\xe9.png"]).view(pa.string())
    parquet.write_table(pa.table({"path": text}), tmp_path / "table.parquet")
    with pytest.raises(InputError, match=r"can't be read as Parquet: 'utf-8'") as caught:
        open_images(str(tmp_path / "table.parquet"), model.policy)
    assert "iconv" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("file\na.png\n", "missing: path"),
        ("path,x\na.png,1\na.png,2\n", "'a.png' more than once"),
        ("path,x\n,1\n", "rows without one"),
        ("path,x\n", "no rows"),
    ],
)
def test_a_table_without_a_path_of_its_own_in_each_row_is_refused(
    content: str, words: str, tmp_path: Path, model: Model
) -> None:
    (tmp_path / "table.csv").write_text(content)
    with pytest.raises(InputError, match=words):
        open_images(str(tmp_path / "table.csv"), model.policy)


@pytest.mark.parametrize("kind", ["folder", "array", "packed"])
def test_the_parts_together_are_the_whole(
    kind: str, tmp_path: Path, images: np.ndarray, model: Model
) -> None:
    path = tmp_path / "images"
    if kind == "folder":
        path.mkdir()
        for number, image in enumerate(images[:30]):
            np.save(path / f"{number:02}.npy", image)
    elif kind == "array":
        np.save(path.with_suffix(".npy"), images[:30])
        path = path.with_suffix(".npy")
    else:
        np.savez_compressed(path.with_suffix(".npz"), images=images[:30])
        path = path.with_suffix(".npz")
    whole = open_images(str(path), model.policy)
    places = [place for place in range(30) if place not in (7, 8)]
    parts = list(whole.cut(places, 10))
    assert max(part.num_images for part in parts) == 10
    assert [name for part in parts for name in part.names] == [whole.names[at] for at in places]
    assert_equal(
        Images(
            [name for part in parts for name in part.names],
            [None] * 28,
            np.concatenate([read(part, 4).pixels for part in parts]),
        ),
        Images([whole.names[at] for at in places], [None] * 28, images[places]),
    )


def test_an_array_that_ends_early_or_late_is_told_by_its_last_part(
    tmp_path: Path, images: np.ndarray, model: Model
) -> None:
    path = tmp_path / "images.npy"
    np.save(path, images[:30])
    *_, last = open_images(str(path), model.policy).cut(range(30), 10)
    with path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(InputError, match=r"images\.npy"):
        read(last)


def test_a_folder_that_a_worker_does_not_see_is_no_row_of_errors(
    pictures: Path, model: Model
) -> None:
    listing = open_images(str(pictures), model.policy)
    pictures.rename(pictures.with_name("elsewhere"))
    with pytest.raises(InputError, match="Expected a folder that all machines share"):
        read(listing)


@pytest.fixture
def web(pictures: Path) -> Iterator[str]:
    """The address of the pictures on a web server, which says nothing of when they changed."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(pictures))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_image_on_the_web_is_read_by_address_and_its_state_isnt_known(
    web: str, pictures: Path, model: Model
) -> None:
    name = next(path.name for path in sorted(pictures.iterdir()) if path.suffix == ".png")
    listing = open_images(f"{web}/{name}", model.policy)
    assert (listing.names, listing.stamps) == ([name], [""])
    here = read(open_images(str(pictures / name), model.policy))
    np.testing.assert_array_equal(read(listing).pixels, here.pixels)
