"""Images on an object store are read as if they lay in a folder: from a real S3 server."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from ruamel.yaml import YAML

from tasks.core.dataset import load_split
from tasks.ingest.address import local_path
from tasks.ingest.parameters import FoldersParameters
from tasks.ingest.stage import main, read_source, write_splits
from tasks.propose.options import Options
from tasks.propose.proposal import propose
from tasks.runner.errors import InputError, NetworkError
from tests.conftest import PROJECT
from tests.ports import free_port
from tests.store import VARIABLES, serve_store
from tests.tasks.ingest.conftest import FILES, Ingest, assert_equal, make_data, save_classes


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an S3 server."""
    with serve_store(tmp_path_factory.mktemp("s3")) as address:
        yield address


@pytest.fixture
def bucket(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a folder of classes."""
    for name, value in {**VARIABLES, "AWS_ENDPOINT_URL": server}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
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
    with local_path(bucket + ending, tmp_path / "copy") as (path, _):
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
        local_path(bucket, tmp_path / "copy") as (path, _),
    ):
        write_splits(read_source(parameters(path), data), tmp_path / "raw", data=data)


def test_an_address_with_nothing_behind_it_is_refused(bucket: str, tmp_path: Path) -> None:
    for address in (f"{bucket}/nowhere", "s3://no-such-bucket-anywhere/animals"):
        with (
            pytest.raises(InputError, match=r"nothing at s3://.*Mend the address"),
            local_path(address, tmp_path / "copy"),
        ):
            pass


def test_a_server_that_does_not_answer_may_be_tried_again(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    fsspec.filesystem("s3").clear_instance_cache()
    with (
        pytest.raises(NetworkError, match="can't be reached"),
        local_path(bucket, tmp_path / "copy"),
    ):
        pass


def test_what_the_library_of_the_store_needs_is_told_and_helps(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            patch.setenv(name, str(tmp_path / "none"))
        with (
            pytest.raises(InputError, match=r"can't be read: .* such as AWS_ACCESS_KEY_ID"),
            local_path(bucket, tmp_path / "copy"),
        ):
            pass
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    with local_path(bucket, tmp_path / "copy") as (path, _):
        assert Path(path).is_dir()


@pytest.mark.parametrize("address", ["nonsense://bucket/x", "http://[broken"])
def test_an_address_of_no_known_kind_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be read"), local_path(address, tmp_path / "copy"):
        pass


def test_a_path_is_given_as_it_is(tmp_path: Path) -> None:
    with local_path(str(tmp_path), tmp_path / "copy") as (path, tell):
        assert (path, tell(path)) == (str(tmp_path), str(tmp_path))


def test_a_proposal_for_an_object_store_names_the_address(
    bucket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(PROJECT / "tests" / "params.yaml", tmp_path / "params.yaml")
    propose(bucket, tmp_path / "proposal.yaml", Options())
    content = YAML(typ="safe").load((tmp_path / "proposal.yaml").read_text("utf-8"))
    assert (content["ingest"]["path"], content["data"]["name"]) == (bucket, "animals")
    told = capsys.readouterr().out
    assert f"{bucket}: a folder of pictures for each class" in told
    assert "dvc add" not in told
    (tmp_path / "proposal.yaml").rename("params.yaml")
    main()
    assert sum(len(load_split(name).labels) for name in ("train", "test")) == 48
