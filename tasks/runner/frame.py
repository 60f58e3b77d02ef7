"""The frame around every command: what goes wrong every day is one line, without a traceback."""

import errno
import gc
import io
import os
import pwd
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tasks.runner.errors import InputError, NetworkError
from tasks.runner.lock import LOCK_FOLDER

# sysexits.h: the flow tries again after this exit status and after no other.
EXIT_TRY_AGAIN = os.EX_TEMPFAIL
_LOCAL = ("localhost", "127.0.0.1", "::1")
_REMEDIES = {
    errno.ENOENT: "Make what is missing, or name another",
    errno.EACCES: "Name another place, or have its owner let you in (a group that shares a project:"
    " umask 002; chmod -R g+rwXs)",
    errno.EROFS: "Name a place that can be written to",
    errno.ENOSPC: "Free some space",
    errno.EDQUOT: "Free some space",
}


def run_framed(main: Callable[[], int | None], *, prefix: str = "", try_again: int = 1) -> NoReturn:
    """Runs a command's `main` and ends the process; `prefix` begins each line of what went wrong.

    Exit status: what `main` gives, None is 0; `try_again` if the network failed; 130 if
    interrupted, 143 if asked to end; 1 any other failure. An error of the code keeps its traceback.
    """
    end_in_order_on_term()
    try:
        adapt_to_surroundings()
        status = main() or 0
        sys.stdout.flush()
    except NetworkError as error:
        status = _tell(prefix, str(error), try_again)
    except InputError as error:
        status = _tell(prefix, str(error))
    except BrokenPipeError:
        status = _drop_output()  # whoever read it has seen enough
    except OSError as error:
        _drop_output()
        remedy = _REMEDIES.get(error.errno or 0, "Mend this")
        status = _tell(prefix, f"{error}. Nothing was written in part. {remedy}; run this again.")
    except MemoryError:
        status = _tell(prefix, "The memory is full. End other programs, or give it less at once.")
    except KeyboardInterrupt:
        status = _tell(prefix, "interrupted", 128 + signal.SIGINT)
    gc.freeze()  # at its end, Python would search all that is left for circles: 0.4 s of a flow
    sys.exit(status)


def _tell(prefix: str, message: str, status: int = 1) -> int:
    for line in message.splitlines():
        print(f"{prefix}{line}", file=sys.stderr, flush=True)
    return status


def _drop_output() -> int:
    """Lets what is still buffered go nowhere: Python would fail at its end to write it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 1


def end_in_order_on_term() -> None:
    """Makes SIGTERM an exception: by default it ends this process at once, and leaves children."""
    signal.signal(signal.SIGTERM, _end)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def adapt_to_surroundings() -> None:
    """Gives this process and its children what Prefect, DVC and Matplotlib can't do without.

    A terminal takes any character; local addresses need no proxy; programs of this Python are
    found; a user without a name or a home, as containers have them, gets both; DVC's databases go
    into the workspace where the system's folder can't be written to.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = _joined(os.environ.get(name, "").split(","), _LOCAL, ",")
    own, found = [str(Path(sys.executable).parent)], os.environ.get("PATH", os.defpath)
    os.environ["PATH"] = _joined(own, found.split(os.pathsep), os.pathsep)
    try:
        account = pwd.getpwuid(os.getuid())
        user, home = account.pw_name, account.pw_dir
    except KeyError:
        user, home = f"user{os.getuid()}", "/"
    for name in ("LOGNAME", "USER"):
        os.environ.setdefault(name, user)
    home = os.environ.get("HOME") or home
    private = Path.cwd() / LOCK_FOLDER
    if not Path(home).is_dir() or (home == "/" and not os.access(home, os.W_OK)):
        home = str(private / "home")
        os.makedirs(home, exist_ok=True)  # noqa: PTH103
    os.environ["HOME"] = home
    if not os.access("/var/tmp", os.W_OK):  # noqa: S108 - where DVC puts them
        os.environ.setdefault("DVC_SITE_CACHE_DIR", str(private / "site"))


def _joined(first: Iterable[str], second: Iterable[str], separator: str) -> str:
    return separator.join(dict.fromkeys(part for part in (*first, *second) if part))
