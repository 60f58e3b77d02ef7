"""Git's command line."""

import os
import subprocess
from pathlib import Path

from tasks.runner.errors import InputError


def git(*arguments: str, root: Path, environment: dict[str, str] | None = None) -> str:
    """What Git answers, without the end of its last line; it refuses in its own words."""
    completed = subprocess.run(
        ["git", *arguments],
        cwd=root,
        env=os.environ | (environment or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if completed.returncode:
        raise InputError(f"git {arguments[0]}: {completed.stderr.strip()}")
    return completed.stdout.strip()


def can_git(*arguments: str, root: Path) -> bool:
    """Whether Git can do it."""
    try:
        git(*arguments, root=root)
    except InputError:
        return False
    return True


def is_set(setting: str, root: Path) -> bool:
    """Whether a setting of Git's that is on or off is on."""
    return git("config", "--type=bool", "--default=false", setting, root=root) == "true"
