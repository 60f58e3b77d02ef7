"""A Dask cluster of this machine: a scheduler and workers of one thread, each a process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from distributed import Client

from tasks.runner.parts import SCHEDULER_VARIABLE
from tests.conftest import PROJECT, environment

_PATIENCE_SECONDS = 60
_DASK = [str(Path(sys.executable).with_name("dask"))]


class Cluster:
    """Processes on loopback, which end with the test.

    Args:
        folder: of their logs and scratch files.
        protocol: tcp, or tls, of which the environment names the certificates.

    """

    def __init__(self, folder: Path, protocol: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.workers: list[subprocess.Popen[bytes]] = []
        file = folder / "scheduler.json"
        file.unlink(missing_ok=True)
        options = ["--protocol", protocol, "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        self.scheduler = self._start("scheduler", *options, "--scheduler-file", str(file))
        wait_for(lambda: file.exists() and file.read_text().endswith("}"))
        self.address: str = json.loads(file.read_text())["address"]

    def start_worker(self, *options: str, threads: int = 1, **variables: str) -> None:
        """A worker whose nanny starts it anew when it has ended."""
        number = len(self.workers)
        shape = ["--nthreads", str(threads), "--nworkers", "1", "--host", "127.0.0.1"]
        place = ["--name", f"worker-{number}", "--local-directory", str(self.folder)]
        shape += ["--no-dashboard", "--memory-limit", "0", *place]
        self.workers.append(self._start("worker", self.address, *shape, *options, **variables))

    def wait_for_workers(self, number: int) -> None:
        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(number, _PATIENCE_SECONDS)

    def _start(self, *command: str, **variables: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{command[0]}.log").open("ab") as log:
            return subprocess.Popen(
                [*_DASK, *command],
                cwd=self.folder,
                env=environment() | {"PYTHONPATH": str(PROJECT)} | variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill_scheduler(self) -> None:
        self.scheduler.kill()
        self.scheduler.wait()

    def end(self) -> None:
        """Ends what was started, by its id; a nanny ends its worker."""
        for processes in (self.workers, [self.scheduler]):
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(_PATIENCE_SECONDS)


@contextmanager
def cluster_of(folder: Path, *, workers: int, protocol: str = "tcp") -> Iterator[Cluster]:
    """A cluster with some workers; the environment of the test names its scheduler."""
    cluster = Cluster(folder, protocol)
    before = os.environ.get(SCHEDULER_VARIABLE)
    os.environ[SCHEDULER_VARIABLE] = cluster.address
    try:
        for _ in range(workers):
            cluster.start_worker()
        if workers:
            cluster.wait_for_workers(workers)
        yield cluster
    finally:
        os.environ.pop(SCHEDULER_VARIABLE)
        if before is not None:
            os.environ[SCHEDULER_VARIABLE] = before
        cluster.end()


def wait_for(condition: Callable[[], object]) -> None:
    """Looks until a condition holds."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.05)


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)
