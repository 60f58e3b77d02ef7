"""What a person sees of a training: a bar on a terminal, and a line per epoch."""

import sys
import time
from types import TracebackType

from tqdm import tqdm


class Progress:
    """Shows how far a training is, and how long it takes at most.

    Args:
        epochs: at most.
        done: of them, before this process began.

    """

    def __init__(self, epochs: int, *, done: int) -> None:
        self._epochs = epochs
        self._first = done
        self._started = time.monotonic()
        self._bar = tqdm(
            total=epochs,
            initial=done,
            unit="epoch",
            leave=False,
            disable=None,  # where the output isn't a terminal
            bar_format="{l_bar}{bar}| {n:.1f}/{total} epochs, {remaining} left at most{postfix}",
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

    def advance(self, epochs: float, *, loss: float) -> None:
        """Counts a part of an epoch."""
        self._bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
        self._bar.update(epochs)

    def end_epoch(self, done: int, figures: dict[str, float]) -> None:
        """Prints the figures of an epoch, whose number is `done`, and the time left at most."""
        rate = (time.monotonic() - self._started) / (done - self._first)
        left = rate * (self._epochs - done)
        text = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
        line = f"epoch {done} of at most {self._epochs}: {text}; {left:.0f} s left at most"
        tqdm.write(line, file=sys.stdout)
        sys.stdout.flush()
