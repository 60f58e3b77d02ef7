"""The archive outlives the machine: in a folder, and in a real S3 server's bucket."""

import shutil
from functools import partial
from pathlib import Path

import boto3
import fsspec
import pytest
from moto.server import ThreadedMotoServer

from tasks.runner.errors import InputError, NetworkError
from tests.workspace.test_compare import make_run
from workspace.overview import write_overview
from workspace.sync import require_place, sync_archive


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    for name in ("a", "b"):
        (make_run(folder, name, images=range(3)) / "report.html").write_text(f"report of {name}")
    write_overview(folder)
    return folder


def check_sync(address: str, archive: Path, read: fsspec.AbstractFileSystem, place: str) -> None:
    """What is there stays, what is new is copied, what was cut short is copied again."""
    assert sync_archive(address, archive) == ["a", "b"]
    assert sync_archive(address, archive) == []
    assert read.cat(f"{place}/a/report.html") == b"report of a"
    read.rm(f"{place}/a/run.json")
    shutil.rmtree(archive / "b")
    make_run(archive, "c", images=range(3))
    write_overview(archive)
    read.invalidate_cache()
    assert sync_archive(address, archive) == ["a", "c"]
    read.invalidate_cache()
    assert read.exists(f"{place}/b/report.html")
    overview = read.cat_file(f"{place}/index.html")
    assert isinstance(overview, bytes)
    assert b"c/report.html" in overview


def test_a_folder_gets_each_run_once_and_keeps_it(archive: Path, tmp_path: Path) -> None:
    place = tmp_path / "disk" / "runs"
    check_sync(str(place), archive, fsspec.filesystem("file"), str(place))


def test_so_does_a_bucket(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    # One that another test has made knows another server.
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        boto3.client("s3").create_bucket(Bucket="runs")
        # Another machine's view: the copier's own listings aren't believed.
        read = fsspec.filesystem("s3", skip_instance_cache=True)
        check_sync("s3://runs/here", archive, read, "runs/here")
        require_place("s3://runs/here")
        with pytest.raises(InputError, match=r"s3://no-such-bucket/here takes no files: .*bucket"):
            require_place("s3://no-such-bucket/here")
        with pytest.raises(InputError, match=r"takes no files: .*are whole in"):
            sync_archive("s3://no-such-bucket/here", archive)
    finally:
        server.stop()


def test_a_bucket_that_does_not_answer_stops_no_training_and_may_be_tried_again(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "testing")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    require_place("s3://runs/here")
    with pytest.raises(NetworkError, match=r"s3://runs/here can't be reached"):
        sync_archive("s3://runs/here", archive)


@pytest.mark.parametrize("address", ["nowhere://bucket/runs", "gopher://x"])
def test_an_unknown_place_is_refused(archive: Path, address: str) -> None:
    for refused in (require_place, partial(sync_archive, archive=archive)):
        with pytest.raises(InputError, match=r"flow\.sync_to = .* is no place for files"):
            refused(address)


def test_the_overview_of_an_earlier_run_is_replaced(archive: Path, tmp_path: Path) -> None:
    place = tmp_path / "site"
    assert sync_archive(str(place), archive) == ["a", "b"]
    before = (place / "index.html").read_bytes()
    make_run(archive, "c", images=range(3))
    write_overview(archive)
    assert sync_archive(str(place), archive) == ["c"]
    assert (place / "index.html").read_bytes() == (archive / "index.html").read_bytes() != before


def test_a_page_that_is_somebody_else_s_stays(archive: Path, tmp_path: Path) -> None:
    place = tmp_path / "site"
    place.mkdir()
    (place / "index.html").write_text("<title>Mine</title>")
    with pytest.raises(InputError, match=r"index\.html that isn't the overview.*flow\.sync_to"):
        sync_archive(str(place), archive)
    assert (place / "index.html").read_text() == "<title>Mine</title>"
    assert (place / "a" / "report.html").exists()


def test_a_disk_that_takes_nothing_is_not_tried_again(archive: Path, tmp_path: Path) -> None:
    """Only a network's error may pass while a task waits."""
    (tmp_path / "file").write_text("in the way")
    for refused in (require_place, partial(sync_archive, archive=archive)):
        with pytest.raises(InputError, match=r"flow\.sync_to = .*/file/runs takes no files"):
            refused(str(tmp_path / "file" / "runs"))
