"""What the tests have workers do; importable there."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tasks.images.errors import ImageError


def square(number: int) -> int:
    return number * number


def fail(number: int) -> int:
    from tasks.runner.errors import InputError

    raise InputError(f"{number} can't be used")


def note(number: int, *, folder: Path, seconds: float) -> int:
    """Leaves a line for each time that it is begun; how often and by whom can be read from it."""
    with (folder / f"{number}").open("a") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(seconds)
    return number


def end_worker(number: int, *, folder: Path, times: int) -> int:
    """Ends its process the first few times."""
    note(number, folder=folder, seconds=0)
    if number == 1 and len((folder / "1").read_text().splitlines()) <= times:
        os._exit(1)
    return number


def read_only_in(load: Callable[[], np.ndarray | bytes], *, process: int) -> np.ndarray | bytes:
    """An image whose file other processes don't see."""
    if os.getpid() != process:
        raise ImageError("x.png", "can't be read", ": no such file")
    return load()
