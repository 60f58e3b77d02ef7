"""What a person sees of a training: a bar on a terminal, and a line per epoch."""

import sys
import time

import keras
from tqdm import tqdm

_SHOWN = ("loss", "accuracy", "val_loss", "val_accuracy")


class Progress(keras.callbacks.Callback):
    """Shows how far a training is, some of whose epochs were done before, and how long it takes."""

    def __init__(self, epochs: int, num_steps: int, *, done: int) -> None:
        super().__init__()
        self._epochs, self._num_steps, self._done = epochs, num_steps, done
        self._started = time.monotonic()
        self._bar = tqdm(
            total=epochs,
            initial=done,
            unit="epoch",
            leave=False,
            disable=None,  # where the output isn't a terminal
            bar_format="{l_bar}{bar}| {n:.1f}/{total} epochs, {remaining} left at most{postfix}",
        )

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Moves the bar to the last step of an epoch that was run."""
        if logs and not self._bar.disable:
            self._bar.set_postfix(loss=f"{float(logs['loss']):.3f}", refresh=False)
            epoch = int(self._bar.n + 1e-6)
            self._bar.update(epoch + (batch + 1) / self._num_steps - self._bar.n)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Prints the figures of an epoch, and the time left at most."""
        rate = (time.monotonic() - self._started) / (epoch + 1 - self._done)
        left = rate * (self._epochs - epoch - 1)
        text = ", ".join(f"{name} {(logs or {})[name]:.4f}" for name in _SHOWN)
        line = f"epoch {epoch + 1} of at most {self._epochs}: {text}; {left:.0f} s left at most"
        tqdm.write(line, file=sys.stdout)
        sys.stdout.flush()

    def on_train_end(self, logs: dict | None = None) -> None:
        """Removes the bar."""
        self._bar.close()
