"""What `flows.serve` refuses, before anything is started."""

import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from flows.address import require_database, require_free, require_safe
from tasks.runner.errors import InputError
from tests.conftest import PARAMETERS, PROJECT, Run, environment


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_needs_no_password(host: str) -> None:
    require_safe(host, auth=None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.invalid"])
def test_any_other_host_needs_one(host: str) -> None:
    with pytest.raises(InputError, match="PREFECT_SERVER_API_AUTH_STRING"):
        require_safe(host, auth=None)
    require_safe(host, auth="user:word")


def test_the_command_refuses_in_one_line(tmp_path: Path) -> None:
    shutil.copy(PARAMETERS, tmp_path)
    completed = subprocess.run(
        [sys.executable, "-m", "flows.serve"],
        cwd=tmp_path,
        env=environment() | {"PYTHONPATH": str(PROJECT), "PREFECT_SERVER_API_HOST": "0.0.0.0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 1
    assert completed.stderr.strip().startswith("PREFECT_SERVER_API_HOST = 0.0.0.0 is open")


@pytest.mark.parametrize(
    ("command", "variable", "value"),
    [
        ("serve", "PREFECT_SERVER_API_PORT", "abc"),
        ("run", "PREFECT_LOGGING_LEVEL", "LOUD"),
        ("run", "PREFECT_API_REQUEST_TIMEOUT", "soon"),
    ],
)
def test_a_malformed_setting_of_prefects_is_one_line(
    workspace: Path, run: Run, command: str, variable: str, value: str
) -> None:
    completed = run("cli", command, check=False, **{variable: value})
    assert completed.returncode == 1
    assert completed.stderr.count("\n") == 1
    assert f" = {value!r}: Input should be " in completed.stderr
    assert "Mend the variable PREFECT_" in completed.stderr


def has_ipv6() -> bool:
    """Whether this machine has the address ::1, which many a container lacks."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        pytest.param("::1", marks=pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")),
    ],
)
def test_a_port_at_which_another_listens_is_refused(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as other:
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=f"at {host}, port {port}: .* PREFECT_SERVER_API_PORT"):
            require_free(host, port)
    require_free(host, port)


def test_a_host_that_is_not_this_machine_is_refused() -> None:
    with pytest.raises(InputError, match=r"at 192\.0\.2\.1, port 4200"):
        require_free("192.0.2.1", 4200)


def test_a_password_that_can_not_be_sent_is_refused() -> None:
    with pytest.raises(InputError, match="letters beyond ASCII"):
        require_safe("127.0.0.1", auth="anna:größer")
    require_safe("127.0.0.1", auth='anna:a %:@$#"')


def test_a_database_that_is_down_is_told_with_its_address_and_without_its_password() -> None:
    """Each way in which nobody answers there, or somebody who isn't PostgreSQL."""
    for host in ("127.0.0.1:1", "nowhere.invalid"):
        with pytest.raises(InputError, match="doesn't take connections") as caught:
            require_database(f"postgresql+asyncpg://anna:secret@{host}/prefect")
        assert host in str(caught.value)
        assert "secret" not in str(caught.value)
        assert "PREFECT_SERVER_DATABASE_CONNECTION_URL" in str(caught.value)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        threading.Thread(target=lambda: listening.accept()[0].close(), daemon=True).start()
        with pytest.raises(InputError, match="doesn't take connections"):
            require_database(f"postgresql+asyncpg://anna:secret@127.0.0.1:{port}/prefect")
    with pytest.raises(InputError, match=r"expected postgresql\+asyncpg://.*found something else"):
        require_database("somewhere")
    require_database("sqlite+aiosqlite:////tmp/prefect.db")
