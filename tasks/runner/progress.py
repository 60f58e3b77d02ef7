"""How far a stage is: a bar on a terminal, elsewhere a line now and then."""

import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

Part = TypeVar("Part", bound=Sized)

_EVERY = 10.0  # seconds


def show_progress(parts: Iterable[Part], *, what: str, total: int) -> Iterator[Part]:
    """Yields the parts; tells how many of `total` images they were, and how long the rest takes.

    `what` is done to the images. Where the output is no terminal, a line is printed every ten
    seconds, so that quick work prints nothing; the flow shows it as the progress of the task.
    """
    from tqdm import tqdm  # whoever imports this may have nothing to show

    done, started = 0, time.monotonic()
    told = started
    # Off, where the output isn't a terminal.
    with tqdm(desc=what, total=total, unit=" images", disable=None, leave=False) as bar:
        for part in parts:
            yield part
            done += len(part)
            bar.update(len(part))
            now = time.monotonic()
            if bar.disable and now - told >= _EVERY:
                told = now
                left = (now - started) * (total - done) / max(1, done)
                print(f"{what}: {done:,} of {total:,} images, {left:.0f} s left", flush=True)
