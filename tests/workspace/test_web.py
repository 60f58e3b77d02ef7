"""The archive in a browser: what is there, nothing beside it, behind the password."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn

from workspace.web import make_application


@contextmanager
def serving(archive: Path, auth: str | None = None) -> Iterator[str]:
    config = uvicorn.Config(
        make_application(archive, auth=auth), host="127.0.0.1", port=0, log_level="error"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    (folder / "run").mkdir(parents=True)
    (folder / "index.html").write_text("all runs")
    (folder / "run" / "report.html").write_text("one run")
    (tmp_path / "secret.txt").write_text("a secret")
    (folder / "run" / "link.txt").symlink_to(tmp_path / "secret.txt")
    return folder


def test_the_pages_are_served_and_forbid_scripts(archive: Path) -> None:
    with serving(archive) as address:
        overview, report = httpx.get(address), httpx.get(f"{address}/run/report.html")
    assert (overview.text, report.text) == ("all runs", "one run")
    for answer in (overview, report):
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert overview.headers["Cache-Control"] == "no-cache"
    assert "immutable" in report.headers["Cache-Control"]


def test_an_unchanged_overview_is_not_sent_again(archive: Path) -> None:
    with serving(archive) as address:
        tag = httpx.get(address).headers["ETag"]
        assert httpx.get(address, headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize(
    "path", ["run", "run/", "../secret.txt", "%2e%2e/secret.txt", "run/link.txt", "nothing"]
)
def test_nothing_else_is_reached_and_no_folder_is_listed(archive: Path, path: str) -> None:
    with serving(archive) as address, httpx.Client(follow_redirects=True) as client:
        answer = client.send(client.build_request("GET", f"{address}/{path}"))
    assert answer.status_code == 404
    assert "secret" not in answer.text
    assert "report.html" not in answer.text


def test_nothing_can_be_written(archive: Path) -> None:
    with serving(archive) as address:
        for method in ("POST", "PUT", "DELETE"):
            assert httpx.request(method, f"{address}/run/report.html").status_code == 405
    assert (archive / "run" / "report.html").read_text() == "one run"


def test_the_password_is_asked_for(archive: Path) -> None:
    with serving(archive, auth="me:pässword") as address:
        assert httpx.get(address).status_code == 401
        assert httpx.get(address, auth=("me", "other")).status_code == 401
        assert httpx.get(address, auth=("me", "pässword")).text == "all runs"
