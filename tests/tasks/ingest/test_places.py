"""The first place that has the right bytes wins; every other is reported in one line."""

import gzip
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tasks.ingest.idx import (
    IdxFile,
    Place,
    download,
    fetch_first,
    places_of,
    read_folder,
    unpack_package,
)
from tasks.ingest.parameters import IdxParameters, OfFourFiles
from tasks.runner.errors import InputError, NetworkError
from tests.conftest import FIXTURE, read_parameters, typed

FILES = OfFourFiles.model_validate(read_parameters()["ingest"]["files"])
FILE_NAMES: list[str] = list(FILES.model_dump().values())


@pytest.fixture(scope="module")
def source() -> IdxParameters:
    """Asks for the very files of the fixture."""
    hashes = {
        key: hashlib.sha256(gzip.decompress((FIXTURE / f"{name}.gz").read_bytes())).hexdigest()
        for key, name in FILES.model_dump().items()
    }
    values = read_parameters()["ingest"] | {"sha256": hashes}
    return IdxParameters.model_validate(values)


def folder(path: Path) -> Place:
    return Place(f"the folder {path}", partial(read_folder, folder=path))


def address(url: str) -> Place:
    return Place(url, partial(download, url=url, timeout=5))


def hashes_of(files: dict[str, IdxFile]) -> dict[str, str]:
    return {key: file.sha256 for key, file in files.items()}


class QuietFiles(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


class BreaksOff(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"only this")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@contextmanager
def serving(handler) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_folder_is_read_gzipped_or_not(tmp_path: Path, source: IdxParameters) -> None:
    for name in FILE_NAMES:
        (tmp_path / name).write_bytes(gzip.decompress((FIXTURE / f"{name}.gz").read_bytes()))
    plain = fetch_first([folder(tmp_path)], source)
    assert plain == fetch_first([folder(FIXTURE)], source)
    assert source.sha256
    assert hashes_of(plain) == source.sha256.model_dump()


def test_the_next_place_is_tried_and_the_failed_one_reported(
    tmp_path: Path, source: IdxParameters, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch_first([folder(tmp_path), folder(FIXTURE)], source)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"not from the folder {tmp_path}: has no train-images-idx3-ubyte")
    assert lines[1] == f"from the folder {FIXTURE}"


def test_one_wrong_byte_is_refused(
    tmp_path: Path, source: IdxParameters, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in FILE_NAMES:
        content = bytearray(gzip.decompress((FIXTURE / f"{name}.gz").read_bytes()))
        content[-1] ^= name == FILE_NAMES[-1]
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="No place has the data"):
        fetch_first([folder(tmp_path)], source)
    assert f"{FILE_NAMES[-1]} has the SHA-256" in capsys.readouterr().out


def test_an_address_is_downloaded(source: IdxParameters) -> None:
    with serving(partial(QuietFiles, directory=str(FIXTURE))) as url:
        files = fetch_first([address(url)], source)
    assert source.sha256
    assert hashes_of(files) == source.sha256.model_dump()


def test_a_missing_page_is_not_worth_a_second_try(tmp_path: Path, source: IdxParameters) -> None:
    with serving(partial(QuietFiles, directory=str(tmp_path))) as url, pytest.raises(InputError):
        fetch_first([address(url)], source)


def test_an_interrupted_download_is_worth_a_second_try(
    source: IdxParameters, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(BreaksOff) as url, pytest.raises(NetworkError):
        fetch_first([address(url)], source)
    assert "broke off: 991 bytes" in capsys.readouterr().out


def test_an_address_where_nobody_listens_is_worth_a_second_try(source: IdxParameters) -> None:
    with serving(BreaksOff) as url:
        pass
    with pytest.raises(NetworkError, match=r"Put the four files .* into the folder"):
        fetch_first([address(url)], source)


def test_a_system_without_apt_has_no_debian_package(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    source: IdxParameters,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    package = partial(unpack_package, package="dataset", folder="/usr/share")
    with pytest.raises(InputError):
        fetch_first([Place("a package", package)], source)
    assert "needs apt-get, which this system doesn't have" in capsys.readouterr().out


def test_a_package_is_downloaded_once_for_all_four_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: IdxParameters
) -> None:
    """An apt-get and a dpkg-deb of ours, which count their calls, stand for Debian's."""
    commands = {
        "apt-get": f"echo called >> {tmp_path}/calls; touch dataset.deb",
        "dpkg-deb": f"/bin/mkdir -p usr/share && /bin/cp {FIXTURE}/*.gz usr/share",
    }
    for name, script in commands.items():
        (tmp_path / name).write_text(f"#!/bin/sh\nPATH=/bin:/usr/bin\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    package = partial(unpack_package, package="dataset", folder="/usr/share")
    assert len(fetch_first([Place("a package", package)], source)) == 4
    assert (tmp_path / "calls").read_text() == "called\n"


def test_the_places_are_tried_in_the_order_of_the_parameters() -> None:
    source = typed(read_parameters()).ingest
    assert isinstance(source, IdxParameters)
    assert [place.name for place in places_of(source)] == [
        "the folder data/source",
        f"the folder {source.system_folder}",
        *source.urls,
        f"Debian's package {source.debian_package}",
    ]
    bare = source.model_copy(update={"urls": (), "system_folder": None, "debian_package": None})
    assert [place.name for place in places_of(bare)] == ["the folder data/source"]
