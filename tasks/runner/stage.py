"""How every stage runs: alone in its workspace, gone when DVC is gone, clear when it fails."""

import ctypes
import html
import os
import re
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from tasks.core import paths
from tasks.core.files import write_text
from tasks.core.processor import pin_processor
from tasks.runner import declared
from tasks.runner.frame import EXIT_TRY_AGAIN, run_framed
from tasks.runner.lock import hold_stage

STALE_SLOT = "<!-- stale -->"
_BANNER = re.compile(r'<div class="stale" role="alert">.*?</div><!-- /stale -->', re.DOTALL)

_PR_SET_PDEATHSIG = 1


def run_stage(name: str, module: str) -> NoReturn:
    """Runs the `main` of a stage's module and ends the process; see `run_framed`.

    The module is imported after what NumPy reads from the environment has been set, and after it
    was noted what the stage is started with, its code included.
    """

    def run() -> None:
        with hold_stage(f"the stage {name}"):
            stage = declared.read_declared().get(name, declared.Declared())
            try:
                declared.require_own_outputs({name: stage})
                before = declared.take_state(stage)
                import_module(module).main()
                declared.require_same_state(stage, before)
            except BaseException:
                mark_report_stale(paths.REPORT_PAGE, f"the stage {name} has failed")
                raise
            declared.record_written(stage)

    end_with_parent()
    pin_processor()
    run_framed(run, prefix=f"{name}: ", try_again=EXIT_TRY_AGAIN)


def mark_report_stale(path: Path, reason: str) -> None:
    """Makes a report that is there say that it describes an earlier run."""
    try:
        page = path.read_text(encoding="utf-8")
        write_text(path, with_marks(page, read_marks(page) or [reason]))
    except OSError:
        # There is no report, or the disk is full: the stage's own error is the one to tell.
        return


def with_marks(page: str, reasons: list[str]) -> str:
    """A report that says at its top why it is out of date; without reasons, one that doesn't."""
    clean = _BANNER.sub(STALE_SLOT, page, count=1)
    if not reasons:
        return clean
    items = "".join(f"<li>{html.escape(reason)}</li>" for reason in reasons)
    banner = (
        '<div class="stale" role="alert"><strong>Out of date.</strong> This report describes an'
        f" earlier run. Since then:<ul>{items}</ul></div><!-- /stale -->"
    )
    return clean.replace(STALE_SLOT, banner, 1)


def read_marks(page: str) -> list[str]:
    """The reasons that a report gives for being out of date."""
    banner = _BANNER.search(page)
    items = re.findall("<li>(.*?)</li>", banner[0], re.DOTALL) if banner else []
    return [html.unescape(item) for item in items]


def end_with_parent() -> None:
    """Asks Linux to kill this process when its parent ends, so that no stage outlives its DVC."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # DVC starts a stage in its own session; one whose DVC was killed during the stage's imports has
    # by now been adopted by a process of another session.
    adopted = "DVC_STAGE" in os.environ and os.getsid(parent) != os.getsid(0)
    if adopted or os.getppid() != parent:
        sys.exit("The process that started this stage has ended.")
