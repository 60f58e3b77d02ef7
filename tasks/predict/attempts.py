"""Who works on a part, and at which of its images: in a file that outlives whoever dies there.

A part may be given to two workers: one is believed to be lost and isn't, or a run was killed while
its workers went on. The lock makes the second wait, and find the part done. A worker that a file
ends leaves the file's number: whoever ends three of them isn't read a fourth time.
"""

import fcntl
import os
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tasks.images.errors import ImageError

_MOST = 3
_NUMBER = struct.Struct("<q")
_NONE = -1


class Attempts:
    """What the attempts at a part came to.

    Args:
        descriptor: of the file, a number for each attempt: at which image it was last.

    """

    def __init__(self, descriptor: int, names: Sequence[str]) -> None:
        self._descriptor = descriptor
        self._places = {name: place for place, name in enumerate(names)}
        size = os.fstat(descriptor).st_size
        earlier = [place for (place,) in _NUMBER.iter_unpack(os.pread(descriptor, size, 0))]
        self._offset = size
        self._ended = Counter(earlier)
        self.begin(None)

    def begin(self, name: str | None) -> None:
        """Notes which image is going to be read; None if there is none.

        Raises:
            ImageError: the image has ended those that read it.

        """
        place = _NONE if name is None else self._places[name]
        if name is not None and self._ended[place] >= _MOST:
            raise ImageError(name, f"has ended the process that read it, {_MOST} times")
        os.pwrite(self._descriptor, _NUMBER.pack(place), self._offset)


@contextmanager
def attempt(path: Path, names: Sequence[str]) -> Iterator[Attempts]:
    """Waits until nobody else works on a part, and begins an attempt.

    Args:
        path: of the file; its folder is there.

    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        attempts = Attempts(descriptor, names)
        try:
            yield attempts
        except Exception:
            attempts.begin(None)  # this process lives: a store that refuses isn't the image's fault
            raise
    finally:
        os.close(descriptor)
