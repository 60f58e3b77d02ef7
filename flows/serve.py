"""Everything that unattended runs need, on one machine: server, work pool, deployments, worker.

    pipeline serve

Runs until it is ended (Ctrl-C, or SIGTERM from a service manager), and takes its parts with it. It
can be started again at any time: what is there already is kept, or brought up to date.

Prefect's own settings say where: PREFECT_SERVER_API_HOST and PREFECT_SERVER_API_PORT,
PREFECT_SERVER_API_AUTH_STRING (needed as soon as the host isn't a loopback address), and
PREFECT_SERVER_DATABASE_CONNECTION_URL for PostgreSQL instead of a file in Prefect's home.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from flows.parameters import FlowParameters
from flows.prefect_process import require_settings
from tasks.core.parameters import load_section
from tasks.runner.errors import InputError
from tasks.runner.frame import run_framed

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

    from flows.address import Server

POOL = "image-classification"
_PREFECT = "flows.prefect_process"
_START_SECONDS = 180
_GRACE_SECONDS = 5


def main() -> None:
    """Starts the parts in their order, then waits."""
    parameters: FlowParameters = load_section("flow", FlowParameters)
    require_settings()
    from flows.address import read_server

    server = read_server()
    serve(server, make_environment(server, parameters, root=Path.cwd()), parameters)


def make_environment(server: "Server", parameters: FlowParameters, *, root: Path) -> dict[str, str]:
    """What the server, the worker and prefect.yaml are told; makes their temporary folder."""
    from prefect.settings import get_current_settings

    from flows.artifacts import ARCHIVE_VARIABLE

    home = get_current_settings().home.resolve()
    # Prefect's worker makes the folder runner_storage there; in /tmp it is the first user's alone.
    temporary = home / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    told = {
        "PREFECT_API_URL": server.api,
        "PREFECT_HOME": str(home),
        "TMPDIR": str(temporary),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        ARCHIVE_VARIABLE: server.archive,
        "PIPELINE_ROOT": str(root),
        "PIPELINE_POOL": POOL,
        "PIPELINE_CRON": parameters.cron,
        "PIPELINE_TIMEZONE": parameters.timezone,
    }
    if (auth := server.auth) is not None:
        told |= {"PREFECT_SERVER_API_AUTH_STRING": auth, "PREFECT_API_AUTH_STRING": auth}
    return os.environ | told


def serve(places: "Server", environment: dict[str, str], parameters: FlowParameters) -> None:
    """Runs the parts until one of them ends.

    Raises:
        InputError: a part didn't start, or ended; or the server belongs to another workspace.

    """
    import httpx
    from prefect.client.orchestration import SyncPrefectClient

    from flows.runs import end_dead, require_own

    def tell_dead() -> None:
        if server.poll() is not None:
            return  # Ctrl-C, say, ends it together with this process
        with suppress(httpx.HTTPError):
            for line in end_dead(client):
                print(line, flush=True)

    with ExitStack() as stack:

        def start(module: str, *arguments: str) -> psutil.Popen:
            return stack.enter_context(_running(module, *arguments, environment=environment))

        server = start(_PREFECT, "server", "start")
        client = stack.enter_context(SyncPrefectClient(places.api, auth_string=places.auth))
        _await_server(server, client)
        require_own(client, Path.cwd())
        tell_dead()
        stack.callback(tell_dead)  # again after the worker has ended
        pool = ("work-pool", "create", POOL, "--type", "process", "--overwrite")
        deploy = ("deploy", "--all", "--no-prompt")
        for command in ((_PREFECT, *pool), (_PREFECT, *deploy), ("flows.automations",)):
            if status := _run(*command, environment=environment).returncode:
                raise InputError(
                    f"{' '.join(command)} ended with {status}; see its messages above."
                )
        worker = start(_PREFECT, "worker", "start", "--pool", POOL)
        archive = start("workspace.web", places.archive.rpartition(":")[2])
        print(f"archive: {places.archive}", flush=True)
        print(f"serving: {places.api.removesuffix('/api')}", flush=True)
        if parameters.webhook is not None:
            _send_test_message(parameters.webhook, environment)
        parts = {"Prefect's server": server, "Prefect's worker": worker, "The archive": archive}
        while all(part.poll() is None for part in parts.values()):
            time.sleep(0.5)
        ended = next(name for name, part in parts.items() if part.poll() is not None)
        raise InputError(f"{ended} has ended; see its messages above.")


@contextmanager
def _running(module: str, *arguments: str, environment: dict[str, str]) -> Iterator[psutil.Popen]:
    """A part that runs as long as the block; what it started ends with it."""
    command = [sys.executable, "-m", module, *arguments]
    process = psutil.Popen(command, env=environment, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        _end_tree(process)


def _end_tree(process: psutil.Popen) -> None:
    """Ends a process and all below it, which may have sessions of their own: asked, then killed."""
    tree: list[psutil.Process] = [process]
    with suppress(psutil.NoSuchProcess):
        tree += process.children(recursive=True)
    for end in (psutil.Process.terminate, psutil.Process.kill):
        for each in tree:
            with suppress(psutil.NoSuchProcess):
                end(each)
        _, tree = psutil.wait_procs(tree, timeout=_GRACE_SECONDS)


def _send_test_message(webhook: str, environment: dict[str, str]) -> None:
    """Says whether the webhook takes messages, before the first one matters."""
    words = "The pipeline's service has started."
    completed = _run("flows.tell", words, environment=environment, capture_output=True)
    lines = (completed.stdout + completed.stderr).strip().splitlines() or ["no answer"]
    delivered = completed.returncode == 0
    outcome = "a test message was delivered" if delivered else f"NOBODY IS TOLD: {lines[-1]}"
    print(f"webhook ({webhook}): {outcome}", flush=True)


def _await_server(server: psutil.Popen, client: "SyncPrefectClient") -> None:
    deadline = time.monotonic() + _START_SECONDS
    while (error := client.api_healthcheck()) is not None:
        if server.poll() is not None:
            raise InputError("Prefect's server didn't start; see its messages above.")
        if time.monotonic() > deadline:
            raise InputError(f"Prefect's server didn't answer within {_START_SECONDS} s ({error}).")
        time.sleep(0.2)


def _run(
    *command: str, environment: dict[str, str], capture_output: bool = False
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=capture_output,
        text=True,
        check=False,
    )


if __name__ == "__main__":
    run_framed(main)
