"""How a command ends when it is asked to: it takes with it what it has started."""

import signal
from types import FrameType
from typing import NoReturn


def end_in_order_on_term() -> None:
    """Makes SIGTERM an exception: by default it ends this process at once, and leaves children."""
    signal.signal(signal.SIGTERM, _end)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
