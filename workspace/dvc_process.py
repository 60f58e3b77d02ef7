"""DVC brings one stage up to date, in a process that ends when whoever started it does.

    python -m workspace.dvc_process STAGE

Exit status: one of `OUTCOMES`; EX_TEMPFAIL where a second try may succeed; 1 if it has failed. What
DVC has to say of a failure stands in lines that begin with the stage's name, like the stage's own.
"""

import signal
import sys
from pathlib import Path
from typing import Any, Literal

from tasks.runner.errors import InputError
from tasks.runner.frame import EXIT_TRY_AGAIN, run_framed
from tasks.runner.stage import end_with_parent

Outcome = Literal["ran", "restored", "unchanged"]
OUTCOMES: dict[int, Outcome] = {0: "unchanged", 3: "restored", 4: "ran"}
# As a shell tells it of a command that a signal has ended; Python gives the number, negative.
_BY_SIGNAL = (128 + signal.SIGKILL, 128 + signal.SIGSEGV)


def main() -> int:
    """Asks DVC, and tells what it did by the exit status."""
    # Only now: a flow that is killed during this import must not leave the process behind.
    from dvc.exceptions import ReproductionError
    from dvc.stage.cache import StageCache
    from dvc.stage.exceptions import StageCmdFailedError

    from workspace.repository import open_dvc

    class Watched(StageCache):
        restored = False

        def restore(self, stage: Any, *arguments: Any, **options: Any) -> None:
            super().restore(stage, *arguments, **options)
            self.restored = True

    with open_dvc(Path.cwd()) as repository:
        repository.stage_cache = cache = Watched(repository)
        try:
            done = repository.reproduce(sys.argv[1], single_item=True)  # pyright: ignore[reportCallIssue, reportArgumentType] - a decorator hides `self`
        except ReproductionError as error:
            if isinstance(error.__cause__, StageCmdFailedError):
                return _tell_death(int(str(error.__cause__).rpartition(" ")[2]))
            raise InputError(f"DVC: {error.__cause__}") from None
    outcome = "unchanged" if not done else "restored" if cache.restored else "ran"
    return next(status for status, name in OUTCOMES.items() if name == outcome)


def _tell_death(status: int) -> int:
    """What the stage's own exit status means; the stage has told the rest."""
    if status < 0 or status in _BY_SIGNAL:
        raise InputError(
            "It was ended by a signal. If nobody sent one, the kernel did, because memory ran out"
            " (dmesg says so): give it more, or lower what params.yaml asks of it."
        )
    return EXIT_TRY_AGAIN if status == EXIT_TRY_AGAIN else 1


if __name__ == "__main__":
    end_with_parent()
    run_framed(main, prefix=f"{sys.argv[1]}: ")
