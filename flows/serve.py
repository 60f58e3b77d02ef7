"""Everything that unattended runs need, on one machine: server, work pool, deployment, worker.

    python -m flows.serve

Runs until it is ended (Ctrl-C, or SIGTERM from a service manager), and takes its parts with it. It
can be started again at any time: what is there already is kept, or brought up to date.

Prefect's own settings say where: PREFECT_SERVER_API_HOST and PREFECT_SERVER_API_PORT,
PREFECT_SERVER_API_AUTH_STRING (needed as soon as the host isn't a loopback address), and
PREFECT_SERVER_DATABASE_CONNECTION_URL for PostgreSQL instead of a file in Prefect's home.
"""

import ipaddress
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from prefect.settings import get_current_settings

from flows.parameters import FlowParameters
from tasks.core.parameters import load_section
from tasks.runner.errors import InputError
from tasks.runner.stage import end_in_order_on_term

POOL = "image-classification"
_START_SECONDS = 180
_GRACE_SECONDS = 20


def main() -> None:
    """Starts the parts in their order, then waits."""
    end_in_order_on_term()
    try:
        parameters = load_section("flow", FlowParameters)
        server = get_current_settings().server.api
        host, auth = server.host, server.auth_string
        require_safe(host, has_auth=auth is not None)
        require_free(host, server.port)
        address = f"http://{f'[{host}]' if ':' in host else host}:{server.port}/api"
        environment = make_environment(
            address,
            parameters,
            root=Path.cwd(),
            auth=auth.get_secret_value() if auth else None,
        )
        serve(address, environment)
    except InputError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def require_safe(host: str, *, has_auth: bool) -> None:
    """Refuses to serve other machines without authentication.

    Raises:
        InputError: the host isn't a loopback address, and no password is set.

    """
    loopback = host == "localhost" or _is_loopback(host)
    if not loopback and not has_auth:
        raise InputError(
            f"PREFECT_SERVER_API_HOST = {host} is open to other machines, and the server would let"
            " anyone run code here. Set PREFECT_SERVER_API_AUTH_STRING to USER:PASSWORD, or leave"
            " the host at 127.0.0.1."
        )


def require_free(host: str, port: int) -> None:
    """Refuses a port that answers already: the deployment would go to whoever listens there.

    Raises:
        InputError: another process listens, or the host is no address of this machine.

    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise InputError(
            f"Nothing can listen at {host}, port {port}: {error.strerror}. End what listens there"
            " (another `make serve`?), or choose another: PREFECT_SERVER_API_PORT=4201 make serve"
        ) from None


def make_environment(
    address: str, parameters: FlowParameters, *, root: Path, auth: str | None
) -> dict[str, str]:
    """What the server, the worker and prefect.yaml are told; makes their temporary folder."""
    home = get_current_settings().home.resolve()
    # Prefect's worker makes the folder runner_storage there; in /tmp it is the first user's alone.
    temporary = home / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    told = {
        "PREFECT_API_URL": address,
        "PREFECT_HOME": str(home),
        "TMPDIR": str(temporary),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PIPELINE_ROOT": str(root),
        "PIPELINE_POOL": POOL,
        "PIPELINE_CRON": parameters.cron,
        "PIPELINE_TIMEZONE": parameters.timezone,
    }
    if auth is not None:
        told |= {"PREFECT_SERVER_API_AUTH_STRING": auth, "PREFECT_API_AUTH_STRING": auth}
    return os.environ | told


def serve(address: str, environment: dict[str, str]) -> None:
    """Runs the parts until one of them ends.

    Raises:
        InputError: a part didn't start, or ended.

    """
    with ExitStack() as stack:
        server = stack.enter_context(_running("server", "start", environment=environment))
        _await_server(server, f"{address}/health")
        _prefect(
            "work-pool", "create", POOL, "--type", "process", "--overwrite", environment=environment
        )
        _prefect("deploy", "--all", "--no-prompt", environment=environment)
        _run("flows.automations", environment=environment)
        worker = stack.enter_context(
            _running("worker", "start", "--pool", POOL, environment=environment)
        )
        print(f"serving: {address.removesuffix('/api')}", flush=True)
        while server.poll() is None and worker.poll() is None:
            time.sleep(0.5)
        name = "server" if server.poll() is not None else "worker"
        raise InputError(f"Prefect's {name} has ended; see its messages above.")


@contextmanager
def _running(*arguments: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A part of Prefect that runs as long as the block, and ends with this process."""
    command = [sys.executable, "-m", "flows.prefect_process", *arguments]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_server(server: subprocess.Popen[bytes], address: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise InputError("Prefect's server didn't start; see its messages above.")
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310 - our own server
                return
        except urllib.error.HTTPError as error:
            if error.code == 401:  # it is up, and asks for the password
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise InputError(f"Prefect's server didn't answer at {address} within {_START_SECONDS} s.")


def _prefect(*arguments: str, environment: dict[str, str]) -> None:
    _run("flows.prefect_process", *arguments, environment=environment)


def _run(module: str, *arguments: str, environment: dict[str, str]) -> None:
    completed = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if completed.returncode:
        command = " ".join([module, *arguments])
        raise InputError(f"{command} ended with {completed.returncode}; see its messages above.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


if __name__ == "__main__":
    main()
