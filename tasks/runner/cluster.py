"""Parts on a Dask cluster; used by `tasks.runner.parts` where a scheduler's address is known."""

import hashlib
import ipaddress
import math
import pickle
import platform
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from tasks.runner.errors import InputError, NetworkError, name_some
from tasks.runner.parts import SCHEDULER_VARIABLE, mark_thread

if TYPE_CHECKING:
    from distributed import Client, Future

Item = TypeVar("Item")
Result = TypeVar("Result")

_CODE = Path(__file__).parents[1]
# Parts under way for each worker: the next one is there when the last one ends.
_PER_WORKER = 2
# How often a part is given to the cluster. Each time, Dask lets it end four workers.
_TIMES = 4
_CONNECT_SECONDS = 30
_ANSWER_SECONDS = 2
_LOOK_SECONDS = 5
_PATIENCE_SECONDS = 60
_LOST = (
    "The scheduler has ended. Start it and its workers, and run this again: what is finished is"
    " kept"
)


def run_on_cluster(
    function: Callable[[Item], Result],
    parts: Iterable[Item],
    *,
    address: str,
    labels: Mapping[str, float],
) -> Iterator[Result]:
    """Gives the parts to a cluster's workers; see `tasks.runner.parts.run_parts`."""
    with _connect(address) as client:
        own = describe_surroundings()
        require_workers(client, labels, own)
        pool = _Pool(client, dict(labels))
        given: deque[_Part] = deque()
        for part in parts:
            given.append(_Part(pool, pickle.dumps((function, part, own))))
            while given and given[0].future.done():
                yield given.popleft().result()
            while pool.under_way >= _PER_WORKER * pool.count_workers():
                pool.wait()
        while given:
            yield given.popleft().result()


class _Pool:
    """The workers, and what they are at; what a part costs here doesn't grow with their number."""

    def __init__(self, client: "Client", labels: dict[str, float]) -> None:
        self.under_way = 0
        self._client, self._labels = client, labels
        self._ended: SimpleQueue[Future] = SimpleQueue()
        self._workers, self._counted = 0, -math.inf

    def give(self, payload: bytes) -> "Future":
        """Hands a part to whichever worker is free."""
        future = self._client.submit(_run, payload, pure=False, resources=self._labels or None)
        future.add_done_callback(self._ended.put)
        self.under_way += 1
        return future

    def wait(self) -> None:
        """Waits until one more part has ended, as long as there is a worker."""
        seen = time.monotonic()
        while True:
            try:
                self._ended.get(timeout=_LOOK_SECONDS)
            except Empty:
                if self.count_workers():
                    seen = time.monotonic()
                elif time.monotonic() - seen > _PATIENCE_SECONDS:
                    wanted = f" with {_in_words(self._labels)}" if self._labels else ""
                    raise NetworkError(
                        f"The scheduler has had no worker{wanted} for {_PATIENCE_SECONDS} s. Start"
                        " some, and run this again: what is finished is kept"
                    ) from None
            else:
                self.under_way -= 1
                return

    def count_workers(self) -> int:
        """How many there are that have the labels, or were a few seconds ago."""
        # Asked by a client whose scheduler is gone, Dask tries to connect for long.
        while self._client.status == "running":
            if time.monotonic() - self._counted < _LOOK_SECONDS:
                return self._workers
            try:
                self._workers, self._counted = self._ask_for_workers(), time.monotonic()
            except TimeoutError:
                pass  # the scheduler is busy, or the client doesn't know yet that it is gone
            except OSError:
                break
        raise NetworkError(_LOST)

    def _ask_for_workers(self) -> int:
        client: Any = self._client
        if not self._labels:
            return len(client.nthreads(callback_timeout=_ANSWER_SECONDS))
        ask = client.scheduler.identity
        found = client.sync(ask, n_workers=-1, callback_timeout=_ANSWER_SECONDS)
        return sum(_has(worker["resources"], self._labels) for worker in found["workers"].values())


class _Part:
    """A part that was given to the cluster, and is given again if a worker was lost with it."""

    def __init__(self, pool: _Pool, payload: bytes) -> None:
        self._pool, self._payload = pool, payload
        self._times = 1
        self.future = pool.give(payload)

    def result(self) -> Any:
        """Waits for what the function returns or raises.

        Raises:
            NetworkError: the scheduler is gone; no worker outlived the part.

        """
        from distributed import KilledWorker

        while True:
            while not self.future.done():
                self._pool.wait()
            error: Any = self.future.exception() if self.future.status == "error" else None
            if isinstance(error, KilledWorker | NetworkError) and self._times < _TIMES:
                self._times += 1
                self.future = self._pool.give(self._payload)
            elif isinstance(error, KilledWorker):
                raise NetworkError(
                    f"Each worker that took a certain part has ended: {error}. Look at the workers'"
                    " own words: their memory may be too small, or a machine broken. Then run this"
                    " again"
                )
            elif error is not None:
                raise error
            else:
                return self.future.result()


def _run(payload: bytes) -> Any:
    """What a worker does with a part."""
    function, part, own = pickle.loads(payload)  # noqa: S301 - from the client of this cluster
    try:
        require_same(own)
    except InputError as error:
        raise InputError(f"A worker that came later {error}") from None
    mark_thread()
    return function(part)


@contextmanager
def _connect(address: str) -> "Iterator[Client]":
    """A client of the scheduler at an address.

    Raises:
        InputError: the address isn't safe, or what a client needs isn't installed.
        NetworkError: nobody answers, or not any more.

    """
    require_safe(address)
    try:
        from distributed import CancelledError, Client
        from distributed.comm import CommClosedError
    except ModuleNotFoundError:
        raise InputError(
            f"{SCHEDULER_VARIABLE} = {address}, and Dask isn't installed here. Add what a cluster"
            " needs: make cluster"
        ) from None
    try:
        client = Client(address, timeout=_CONNECT_SECONDS)
    except (OSError, TypeError, ValueError) as error:
        raise NetworkError(
            f"No scheduler answers at {SCHEDULER_VARIABLE} = {address}: {error}. Start one, or mend"
            " the address"
        ) from None
    try:
        with client:
            yield client
    except (CancelledError, CommClosedError):
        raise NetworkError(_LOST) from None


def require_safe(address: str) -> None:
    """Refuses a scheduler to which anyone on the network could give code to run.

    Raises:
        InputError: the address is neither loopback nor encrypted by TLS.

    """
    scheme, _, place = address.rpartition("://")
    host = place.rpartition(":")[0].strip("[]")
    if scheme != "tls" and not (scheme in ("", "tcp") and is_loopback(host)):
        raise InputError(
            f"{SCHEDULER_VARIABLE} = {address} is open to other machines, and a scheduler runs"
            " anyone's code. Expected tls://HOST:PORT with certificates, or a scheduler of this"
            " machine, tcp://127.0.0.1:PORT; docs/cluster.md says how"
        )


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, seen from nowhere else."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_workers(client: "Client", labels: Mapping[str, float], own: dict[str, str]) -> None:
    """Waits for a worker, and refuses those that would compute otherwise, or never.

    Raises:
        InputError: a worker differs from this process, or has several threads; none has the labels.
        NetworkError: there is no worker.

    """
    try:
        client.wait_for_workers(1, timeout=_PATIENCE_SECONDS)
    except TimeoutError:
        raise NetworkError(
            f"The scheduler has no worker, after {_PATIENCE_SECONDS} s. Start some: dask worker"
        ) from None
    workers = client.scheduler_info(n_workers=-1)["workers"]
    if wide := [name for name, worker in workers.items() if worker["nthreads"] != 1]:
        raise InputError(
            f"The worker {wide[0]} has {workers[wide[0]]['nthreads']} threads; expected one, and a"
            " worker for each core. Start it anew: dask worker --nthreads 1 --nworkers CORES"
        )
    found = [worker["resources"] for worker in workers.values()]
    if not any(_has(one, labels) for one in found):
        there = sorted({f"{key}={value:g}" for one in found for key, value in one.items()})
        wanted = _in_words(labels)
        raise InputError(
            f"No worker has {wanted}; there are the labels {', '.join(there) or 'none'}. Start one"
            f' that has: dask worker --resources "{wanted}"'
        )
    answers: Any = client.run(require_same, own, on_error="return")
    for name, error in answers.items():
        if "No module named" in str(error):  # what the worker couldn't unpickle comes as text
            raise InputError(
                f"The worker {name} can't run this project's code: {error}. Start it in the"
                ' project\'s folder, with PYTHONPATH="$PWD"'
            )
        if error is not None:
            raise InputError(f"The worker {name} {error}")


def _has(resources: Mapping[str, float], labels: Mapping[str, float]) -> bool:
    return all(resources.get(key, 0) >= labels[key] for key in labels)


def _in_words(labels: Mapping[str, float]) -> str:
    return ",".join(f"{key}={value:g}" for key, value in labels.items())


@cache
def describe_surroundings() -> dict[str, str]:
    """What decides how this process computes: Python, packages, the code of `tasks`."""
    code = hashlib.sha256()
    for file in sorted(_CODE.rglob("*.py")):
        code.update(f"{file.relative_to(_CODE)}\0".encode() + file.read_bytes())
    found = {"Python": platform.python_version(), "code": code.hexdigest()[:12]}
    for package in metadata.distributions():
        found.setdefault(package.name, package.version)  # the first on the path is the one imported
    return found


def require_same(expected: dict[str, str]) -> None:
    """Refuses to compute where versions differ from another process's.

    Packages that only one of the two has are left aside: an import would tell.

    Raises:
        InputError: one line, which names the first few that differ.

    """
    own = describe_surroundings()
    differing = [
        f"{name} {own[name]} for {expected[name]}"
        for name in sorted(own.keys() & expected.keys())
        if own[name] != expected[name]
    ]
    if differing:
        raise InputError(
            f"has {name_some(differing)}. The same part would not give the same bytes; install the"
            " same locks there, and start it anew"
        )
