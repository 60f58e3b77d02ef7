"""A message arrives in the receiver's own shape, or it is said that it didn't."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from flows.tell import compose, deliver, find_address
from tasks.runner.errors import InputError, NetworkError
from tests.conftest import Run, write_parameters


class Receiver(ThreadingHTTPServer):
    """Answers as the services do: an error to what isn't of their shape, and what it is told to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[dict[str, Any]] = []
        self.failures: list[int] = []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        size = int(self.headers["Content-Length"])
        content = json.loads(self.rfile.read(size))
        if self.server.failures:
            status = self.server.failures.pop(0)
        else:
            status = ANSWERS[self.path](content) if size < LARGEST[self.path] else 413
        if status < 300:
            self.server.received.append(content)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", self.path)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
        return


def answer_as_slack(content: dict[str, Any]) -> int:
    return 200 if isinstance(content.get("text"), str) and content["text"] else 400


def answer_as_discord(content: dict[str, Any]) -> int:
    return 204 if 0 < len(content.get("content", "")) <= 2000 else 400


def answer_as_teams(content: dict[str, Any]) -> int:
    try:
        (attachment,) = content["attachments"]
        good = (
            content["type"] == "message"
            and attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
            and attachment["content"]["type"] == "AdaptiveCard"
            and attachment["content"]["body"][0]["text"]
        )
    except (KeyError, ValueError):
        good = False
    return 202 if good else 400


# Bytes of a request that each takes.
LARGEST = {"/text": 60_000, "/discord": 60_000, "/teams": 28_000}
ANSWERS = {"/text": answer_as_slack, "/discord": answer_as_discord, "/teams": answer_as_teams}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def hook(
    receiver: Receiver, small_parameters: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """A folder whose params.yaml names the receiver; gives its address."""
    monkeypatch.chdir(tmp_path)
    address = f"http://127.0.0.1:{receiver.server_port}/text"
    monkeypatch.setenv("HOOK", address)
    small_parameters["flow"] |= {"webhook": "env:HOOK"}
    write_parameters(tmp_path, small_parameters)
    return address


@pytest.mark.parametrize("shape", ["text", "discord", "teams"])
@pytest.mark.parametrize("length", [20, 50_000])
def test_each_service_takes_a_message_of_any_length(
    hook: str,
    receiver: Receiver,
    small_parameters: dict,
    monkeypatch: pytest.MonkeyPatch,
    shape: str,
    length: int,
) -> None:
    monkeypatch.setenv("HOOK", hook.replace("text", shape))
    small_parameters["flow"] |= {"webhook_format": shape}
    write_parameters(Path(), small_parameters)
    deliver("🦊" * length)
    assert receiver.received == [compose("🦊" * length, shape)]


@pytest.mark.parametrize("status", [302, 400, 404, 500])
def test_any_other_answer_is_an_error_that_does_not_tell_the_address(
    hook: str, receiver: Receiver, status: int
) -> None:
    receiver.failures = [status]
    with pytest.raises(NetworkError, match=rf"env:HOOK.* answered {status} ") as caught:
        deliver("hello")
    assert hook not in str(caught.value)
    assert receiver.received == []


def test_a_place_that_is_not_there_is_an_error_that_does_not_tell_the_address(
    hook: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", "http://127.0.0.1:1/secret")
    with pytest.raises(NetworkError, match="can't be reached") as caught:
        deliver("hello")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        *(None, "", "hooks.example.invalid/1", "ftp://example.invalid", "https:///1"),
        *("https://ho..st/1", f"https://{'a' * 64}.invalid/1", "https://[::1/1"),
    ],
)
def test_a_variable_without_an_address_is_refused_with_its_name(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv("HOOK", raising=False)
    else:
        monkeypatch.setenv("HOOK", value)
    with pytest.raises(InputError, match="environment variable HOOK"):
        find_address("env:HOOK")


def test_the_address_is_found_in_a_secret_block(
    workspace: Path, run: Run, receiver: Receiver, small_parameters: dict, prefect_api: str
) -> None:
    small_parameters["flow"] |= {"webhook": "secret:hook"}
    write_parameters(workspace, small_parameters)
    missing = run("flows.tell", "hello", check=False, PREFECT_API_URL=prefect_api)
    assert "found nothing in Prefect's secret block hook. Make it" in missing.stderr
    address = f"http://127.0.0.1:{receiver.server_port}/text"
    (workspace / "keep.py").write_text(
        f"from prefect.blocks.system import Secret\nSecret(value={address!r}).save('hook')\n"
    )
    run("keep", PREFECT_API_URL=prefect_api)
    assert run("flows.tell", "hello", PREFECT_API_URL=prefect_api).stdout == "delivered\n"
    assert receiver.received == [{"text": "hello"}]


def test_a_message_is_tried_until_it_arrives(
    workspace: Path,
    run: Run,
    receiver: Receiver,
    small_parameters: dict,
    prefect_api: str,
) -> None:
    small_parameters["flow"] |= {"webhook": "env:HOOK", "retry_delay": 0.1}
    write_parameters(workspace, small_parameters)
    receiver.failures = [500, 503, 302]
    address = f"http://127.0.0.1:{receiver.server_port}/text"
    (workspace / "call.py").write_text("from flows.tell import tell\ntell('hello')\n")
    told = run("call", PREFECT_API_URL=prefect_api, HOOK=address)
    assert receiver.received == [{"text": "hello"}]
    assert address not in told.stdout + told.stderr
