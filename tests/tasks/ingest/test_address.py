"""Images on an object store are read as if they lay in a folder: from a real S3 server."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from tasks.core.dataset import load_split
from tasks.ingest.address import local_path
from tasks.ingest.parameters import FoldersParameters
from tasks.ingest.stage import read_source, write_splits
from tasks.runner.errors import InputError, NetworkError
from tests.tasks.ingest.conftest import FILES, Ingest, assert_equal, make_data, save_classes

VARIABLES = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_MAX_ATTEMPTS": "1",
}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an S3 server."""
    port = free_port()
    log = (tmp_path_factory.mktemp("s3") / "log").open("wb")
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p"]
    process = subprocess.Popen([*command, str(port)], stdout=log, stderr=log)
    try:
        while not answers(port):
            assert process.poll() is None, "the S3 server has ended"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
        log.close()


@pytest.fixture
def bucket(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a folder of classes."""
    for name, value in {**VARIABLES, "AWS_ENDPOINT_URL": server}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    save_classes(tmp_path / "animals")
    (tmp_path / "animals" / "cat" / ".DS_Store").write_bytes(b"finder")
    files = fsspec.filesystem("s3", skip_instance_cache=True)
    name = f"pictures-{os.getpid()}-{abs(hash(tmp_path))}"
    files.mkdir(name)
    files.put(str(tmp_path / "animals"), f"{name}/animals", recursive=True)
    return f"s3://{name}/animals"


def parameters(path: str) -> FoldersParameters:
    return FoldersParameters.model_validate(FILES | {"format": "folders", "path": path})


@pytest.mark.parametrize("ending", ["", "/"])
def test_a_folder_on_an_object_store_gives_the_same_arrays(
    bucket: str, tmp_path: Path, ingest: Ingest, ending: str
) -> None:
    expected = ingest(FILES | {"format": "folders", "path": str(tmp_path / "animals")})
    data = make_data()
    with local_path(bucket + ending) as path:
        lines = write_splits(read_source(parameters(path), data), tmp_path / "raw", data=data)
        copy = Path(path)
        assert copy.is_dir()
    assert not copy.exists()
    assert lines == ["left aside, hidden: 1 (cat/.DS_Store)"]
    assert_equal(
        {
            "train": load_split("train", tmp_path / "raw"),
            "test": load_split("test", tmp_path / "raw"),
        },
        expected,
    )


def test_what_is_wrong_with_an_image_is_told_with_its_address(bucket: str, tmp_path: Path) -> None:
    fsspec.filesystem("s3", skip_instance_cache=True).pipe(f"{bucket}/dog/bad.png", b"no image")
    data = make_data()
    with (
        pytest.raises(InputError, match=rf"{bucket}/dog/bad\.png is no PNG"),
        local_path(bucket) as path,
    ):
        write_splits(read_source(parameters(path), data), tmp_path / "raw", data=data)


def test_an_address_with_nothing_behind_it_is_refused(bucket: str) -> None:
    for address in (f"{bucket}/nowhere", "s3://no-such-bucket-anywhere/animals"):
        with (
            pytest.raises(InputError, match=r"nothing at s3://.*mend the address"),
            local_path(address),
        ):
            pass


def test_a_server_that_does_not_answer_may_be_tried_again(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    fsspec.filesystem("s3").clear_instance_cache()
    with pytest.raises(NetworkError, match="can't be reached"), local_path(bucket):
        pass


@pytest.mark.parametrize("address", ["nonsense://bucket/x", "http://[broken"])
def test_an_address_of_no_known_kind_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="can't be read"), local_path(address):
        pass


def test_a_path_is_given_as_it_is(tmp_path: Path) -> None:
    with local_path(str(tmp_path)) as path:
        assert path == str(tmp_path)
