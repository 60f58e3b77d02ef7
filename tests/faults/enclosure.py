"""A mount and network namespace of its own, which takes a full disk, or no network, for real."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import environment

_KEEP = "echo ready; exec sleep infinity"


@dataclass(frozen=True)
class Enclosure:
    """Processes in it see their own mounts and network.

    Attributes:
        process: keeps the namespaces alive.

    """

    process: int

    def run(
        self, *command: str, root: Path, check: bool = True, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command in a folder as the enclosure sees it; both streams are in stdout."""
        completed = subprocess.run(
            ["nsenter", f"--target={self.process}", *_ENTER, f"--wdns={root}", "--", *command],
            env=environment() | {"PYTHONDONTWRITEBYTECODE": "1"} | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert completed.returncode == 0 or not check, completed.stdout
        return completed

    def python(
        self, *arguments: str, root: Path, check: bool = True, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs a Python module."""
        return self.run(sys.executable, "-m", *arguments, root=root, check=check, **variables)

    def outside(self, path: Path) -> Path:
        """The path under which this process sees a path of the enclosure."""
        return Path(f"/proc/{self.process}/root") / path.relative_to("/")


_ENTER = ("--user", "--preserve-credentials", "--mount", "--net")


@contextmanager
def enclose(script: str) -> Iterator[Enclosure]:
    """Runs a shell script as root of new namespaces; skips the test where that isn't allowed.

    Args:
        script: makes the mounts.

    """
    if not (shutil.which("unshare") and shutil.which("nsenter")):
        pytest.skip("no unshare and nsenter here")
    command = ["unshare", "--user", "--map-root-user", "--mount", "--net", "sh", "-ec"]
    with subprocess.Popen(
        [*command, f"{script}\n{_KEEP}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
    ) as process:
        try:
            assert process.stdout is not None
            answer = process.stdout.readline()
            if answer != "ready\n":
                pytest.skip(f"no namespaces here: {answer.strip()}")
            yield Enclosure(process.pid)
        finally:
            process.kill()


def as_loopback() -> str:
    """A script that starts the loopback device, without which a namespace has no network at all."""
    return (
        f'{sys.executable} -c "import fcntl, socket, struct;'
        " s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
        " fcntl.ioctl(s, 0x8914, struct.pack('16sh', b'lo', 1))\""
    )
