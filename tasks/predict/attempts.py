"""Who works on a part, and at which of its images: in a file that outlives whoever dies there.

A part may be given to two workers: one is believed to be lost and isn't, or a run was killed while
its workers went on. The lock makes the second wait, and find the part done. A worker that a file
ends leaves the file's number: whoever ends three of them isn't read a fourth time.
"""

import fcntl
import os
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tasks.images.errors import ImageError

_MOST = 3
_NUMBER = struct.Struct("<q")
_NONE = -1

# Notes which image is going to be read, None if there is none. An ImageError says that it has
# ended those that read it.
Begin = Callable[[str | None], None]


@contextmanager
def attempt(path: Path, names: Sequence[str]) -> Iterator[Begin]:
    """Waits until nobody else works on a part, and begins an attempt.

    Args:
        path: of the file, a number for each attempt: at which image it was last. Its folder is
            there.
        names: of the images of the part.

    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        places = {name: place for place, name in enumerate(names)}
        size = os.fstat(descriptor).st_size
        ended = Counter(place for (place,) in _NUMBER.iter_unpack(os.pread(descriptor, size, 0)))

        def begin(name: str | None) -> None:
            place = _NONE if name is None else places[name]
            if name is not None and ended[place] >= _MOST:
                raise ImageError(name, f"has ended the process that read it, {_MOST} times")
            os.pwrite(descriptor, _NUMBER.pack(place), size)

        begin(None)
        try:
            yield begin
        except Exception:
            begin(None)  # this process lives: a store that refuses isn't the image's fault
            raise
    finally:
        os.close(descriptor)
