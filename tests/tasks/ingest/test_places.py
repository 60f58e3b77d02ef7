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

from tasks.ingest.parameters import IdxHashes, IdxParameters
from tasks.ingest.places import FILE_NAMES, Address, DebianPackage, Folder, fetch_first, places_of
from tasks.runner.errors import InputError, NetworkError
from tests.conftest import FIXTURE, read_parameters, typed


@pytest.fixture(scope="module")
def hashes() -> IdxHashes:
    return IdxHashes.model_validate(
        {
            name: hashlib.sha256(gzip.decompress((FIXTURE / f"{name}.gz").read_bytes())).hexdigest()
            for name in FILE_NAMES
        }
    )


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


def test_a_folder_is_read_gzipped_or_not(tmp_path: Path, hashes: IdxHashes) -> None:
    for name in FILE_NAMES:
        (tmp_path / name).write_bytes(gzip.decompress((FIXTURE / f"{name}.gz").read_bytes()))
    plain = fetch_first([Folder(tmp_path)], hashes)
    assert plain == fetch_first([Folder(FIXTURE)], hashes)
    assert plain.sha256 == hashes.by_file_name()


def test_the_next_place_is_tried_and_the_failed_one_reported(
    tmp_path: Path, hashes: IdxHashes, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch_first([Folder(tmp_path), Folder(FIXTURE)], hashes)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"not from the folder {tmp_path}: has no train-images-idx3-ubyte")
    assert lines[1] == f"from the folder {FIXTURE}"


def test_one_wrong_byte_is_refused(
    tmp_path: Path, hashes: IdxHashes, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in FILE_NAMES:
        content = bytearray(gzip.decompress((FIXTURE / f"{name}.gz").read_bytes()))
        content[-1] ^= name == FILE_NAMES[-1]
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="No place has the data"):
        fetch_first([Folder(tmp_path)], hashes)
    assert f"{FILE_NAMES[-1]} has the SHA-256" in capsys.readouterr().out


def test_an_address_is_downloaded(hashes: IdxHashes) -> None:
    with serving(partial(QuietFiles, directory=str(FIXTURE))) as url:
        files = fetch_first([Address(url, timeout=5)], hashes)
    assert files.sha256 == hashes.by_file_name()


def test_a_missing_page_is_not_worth_a_second_try(tmp_path: Path, hashes: IdxHashes) -> None:
    with serving(partial(QuietFiles, directory=str(tmp_path))) as url, pytest.raises(InputError):
        fetch_first([Address(url, timeout=5)], hashes)


def test_an_interrupted_download_is_worth_a_second_try(
    hashes: IdxHashes, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(BreaksOff) as url, pytest.raises(NetworkError):
        fetch_first([Address(url, timeout=5)], hashes)
    assert "broke off: 991 bytes" in capsys.readouterr().out


def test_an_address_where_nobody_listens_is_worth_a_second_try(hashes: IdxHashes) -> None:
    with serving(BreaksOff) as url:
        pass
    with pytest.raises(NetworkError, match=r"Put the four files .* into the folder"):
        fetch_first([Address(url, timeout=5)], hashes)


def test_a_system_without_apt_has_no_debian_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError):
        fetch_first([DebianPackage("dataset", "/usr/share")], None)
    assert "needs apt-get, which this system doesn't have" in capsys.readouterr().out


def test_the_places_are_tried_in_the_order_of_the_parameters() -> None:
    source = typed(read_parameters()).ingest
    assert isinstance(source, IdxParameters)
    kinds = [type(place) for place in places_of(source)]
    assert kinds == [Folder, Folder, Address, Address, DebianPackage]
    bare = source.model_copy(update={"urls": (), "system_folder": None, "debian_package": None})
    assert places_of(bare) == [Folder(Path("data/source"))]
