"""Work on many images on all cores: decoding releases Python's lock, so threads are enough."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Parts that wait for each thread: enough to keep it busy, few enough to bound memory.
_WAITING = 2


def map_parts(
    function: Callable[[Sequence[Item]], Result], items: Iterable[Item], *, size: int
) -> Iterator[Result]:
    """Applies a function to parts of `size` items, and yields what it returns, in order.

    The items are taken as they are needed: only a few parts are in memory at any time.
    """
    num_threads = len(os.sched_getaffinity(0))
    source = iter(items)
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(num_threads)
    try:
        while part := list(islice(source, size)):
            waiting.append(pool.submit(function, part))
            if len(waiting) > _WAITING * num_threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
