"""Keeps what native code prints out of a stage's output, unless something fails."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Hides what the block prints, native code included; shows it if the block fails."""
    with tempfile.TemporaryFile() as hidden, ExitStack() as restored:
        for number, stream in ((1, sys.stdout), (2, sys.stderr)):
            stream.flush()
            copy = os.dup(number)
            restored.callback(os.close, copy)
            restored.callback(os.dup2, copy, number)
            restored.callback(stream.flush)
            os.dup2(hidden.fileno(), number)
        try:
            yield
        except BaseException:
            restored.close()
            hidden.seek(0)
            sys.stderr.write(hidden.read().decode(errors="replace"))
            raise
