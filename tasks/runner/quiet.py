"""Keeps what native code prints out of a stage's output, unless something fails."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Hides what the block prints, native code included; shows it if the block fails."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = {number: os.dup(number) for number in (1, 2)}
    with tempfile.TemporaryFile() as hidden:
        try:
            for number in kept:
                os.dup2(hidden.fileno(), number)
            yield
        except BaseException:
            _restore(kept)
            hidden.seek(0)
            sys.stderr.write(hidden.read().decode(errors="replace"))
            raise
        else:
            _restore(kept)


def _restore(kept: dict[int, int]) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    for number, copy in kept.items():
        os.dup2(copy, number)
        os.close(copy)
