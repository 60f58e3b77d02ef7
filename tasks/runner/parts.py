"""Work in parts, on this machine's cores or on a Dask cluster's: the same results, in order.

Decoding and LiteRT release Python's lock, so that on this machine threads are enough. A cluster is
used where the environment variable DASK_SCHEDULER_ADDRESS names its scheduler; docs/cluster.md.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from tasks.runner.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")

SCHEDULER_VARIABLE = "DASK_SCHEDULER_ADDRESS"
# Parts that wait for each thread: enough to keep it busy, few enough to bound memory.
_WAITING = 2
_thread = threading.local()


def run_parts(
    function: Callable[[Item], Result],
    parts: Iterable[Item],
    *,
    threads: int = 1,
    labels: Mapping[str, float] | None = None,
) -> Iterator[Result]:
    """Applies a function to each part, and yields what it returns, in the parts' order.

    Where it ran changes no result. The parts are taken as they are needed. A part may run more than
    once, also twice at a time, after its worker was lost or this process was killed: what the
    function writes it writes whole, and the same every time.

    Args:
        function: of a module that workers can import, or a `functools.partial` of one.
        parts: what it is given; on a cluster they are pickled.
        threads: that a part computes in; on this machine, the fewer run at a time.
        labels: what a worker must have, such as gpu: 1, and how much of it a part takes.

    Raises:
        InputError: the scheduler's address isn't safe; there is none and labels are asked for; the
            workers lack a label or differ from this process; what the function raises.
        NetworkError: the scheduler doesn't answer or has ended, or a part has ended its workers.

    """
    if is_elsewhere():
        from tasks.runner.cluster import run_on_cluster  # imports distributed

        address = os.environ[SCHEDULER_VARIABLE]
        yield from run_on_cluster(function, parts, address=address, labels=labels or {})
    elif labels:
        raise InputError(
            f"A worker with {', '.join(labels)} is asked for, and there is no cluster. Name its"
            f" scheduler: {SCHEDULER_VARIABLE}=tcp://127.0.0.1:8786"
        )
    else:
        yield from map_parts(lambda part: function(part[0]), parts, size=1, threads=threads)


def map_parts(
    function: Callable[[Sequence[Item]], Result],
    items: Iterable[Item],
    *,
    size: int,
    threads: int = 1,
) -> Iterator[Result]:
    """Applies a function to parts of `size` items, and yields what it returns, in order.

    The items are taken as they are needed: only a few parts are in memory at any time. Within a
    part, the cores are taken, and all happens in the thread that asks.
    """
    pieces = split_items(items, size=size)
    if getattr(_thread, "is_within_part", False):
        yield from map(function, pieces)
        return
    num_threads = max(1, len(os.sched_getaffinity(0)) // threads)
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(num_threads, initializer=mark_thread)
    try:
        for piece in pieces:
            waiting.append(pool.submit(function, piece))
            if len(waiting) > _WAITING * num_threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def split_items(items: Iterable[Item], *, size: int) -> Iterator[list[Item]]:
    """Lists of `size` items, the last of which may be shorter; the items are taken as needed."""
    source = iter(items)
    return iter(lambda: list(islice(source, size)), [])


def mark_thread() -> None:
    """Says that what this thread does is within a part."""
    _thread.is_within_part = True


def is_elsewhere() -> bool:
    """Whether parts go to a cluster; what is itself within a part stays where it is."""
    is_within_part = getattr(_thread, "is_within_part", False)
    return bool(os.environ.get(SCHEDULER_VARIABLE)) and not is_within_part
