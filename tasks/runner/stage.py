"""How every stage runs: alone in its workspace, gone when DVC is gone, clear when it fails."""

import ctypes
import errno
import html
import os
import re
import signal
import sys
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tasks.core import paths
from tasks.core.files import write_text
from tasks.runner.errors import InputError, NetworkError
from tasks.runner.lock import hold_stage
from tasks.runner.processor import pin_processor

STALE_SLOT = "<!-- stale -->"
_BANNER = re.compile(r'<div class="stale" role="alert">.*?</div><!-- /stale -->', re.DOTALL)

# sysexits.h: the flow tries again after this exit status and after no other.
EXIT_TRY_AGAIN = os.EX_TEMPFAIL
_PR_SET_PDEATHSIG = 1


def run_stage(name: str, module: str) -> NoReturn:
    """Runs the `main` of a stage's module and ends the process.

    The module is imported here, after what NumPy reads from the environment has been set.

    Exit status: 0 done, 75 the network failed and a second try may succeed, 1 any other failure.
    """
    end_with_parent()
    end_in_order_on_term()
    pin_processor()
    try:
        with hold_stage(f"the stage {name}"):
            try:
                import_module(module).main()
            except BaseException:
                mark_report_stale(paths.REPORT_PAGE, f"the stage {name} has failed")
                raise
    except NetworkError as error:
        _fail(name, str(error), EXIT_TRY_AGAIN)
    except InputError as error:
        _fail(name, str(error), 1)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise
        _fail(name, f"{error}. Nothing was written in part. Mend this and run again.", 1)
    except KeyboardInterrupt:
        _fail(name, "interrupted", 128 + signal.SIGINT)
    sys.exit(0)


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


def _fail(name: str, message: str, status: int) -> NoReturn:
    for line in message.splitlines():
        print(f"{name}: {line}", file=sys.stderr, flush=True)
    sys.exit(status)


def end_in_order_on_term() -> None:
    """Makes SIGTERM an exception: by default it ends this process at once, and leaves children."""
    signal.signal(signal.SIGTERM, _end)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


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
