"""What the faults are injected into, and what is looked at afterwards."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ruamel.yaml import YAML

from tests.conftest import configure_dvc, environment
from tests.ports import free_port

# What programs keep for themselves, and Git: nothing that the pipeline promises.
_PRIVATE = {".git", ".site", ".prefect", ".pipeline", "__pycache__"}
# What the gate leaves, after the flow alone: state, no output.
_STATE = {"verdict.json", "verdict.md", "champion", "archive"}
BUSY = re.compile(
    r"in use by .+\(process \d+|Unable to acquire lock|is busy, it is being blocked by|has ended"
)
_RUNNING = re.compile(r"Running stage '(\w+)':")


@dataclass(frozen=True)
class Reference:
    """What an undisturbed run gives.

    Attributes:
        root: its workspace, which no test changes.
        files: path → SHA-256 of every file outside DVC's and Git's own folders.
        startup: seconds until DVC runs the first stage.
        durations: stage → seconds.

    """

    root: Path
    files: dict[str, str]
    startup: float
    durations: dict[str, float]

    def to_json(self) -> str:
        return json.dumps(asdict(self) | {"root": str(self.root)})

    @classmethod
    def from_json(cls, text: str) -> "Reference":
        content = json.loads(text)
        return cls(**content | {"root": Path(content["root"])})


def run_undisturbed(root: Path) -> Reference:
    """Runs the pipeline and measures how long each stage takes."""
    started = time.monotonic()
    moments: list[tuple[str, float]] = []
    with start("dvc", "repro", root=root) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if found := _RUNNING.match(line):
                moments.append((found[1], time.monotonic()))
        assert process.wait() == 0, "".join(lines)
    ends = [moment for _, moment in moments[1:]] + [time.monotonic()]
    durations = {stage: end - moment for (stage, moment), end in zip(moments, ends, strict=True)}
    return Reference(root, digest_files(root), moments[0][1] - started, durations)


def copy_workspace(source: Path, target: Path) -> Path:
    """A workspace of the same content."""
    shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns(".site"))
    configure_dvc(target)
    return target


def make_validate_run(root: Path) -> None:
    """Makes the next run do the stage validate anew."""
    (root / "dvc.lock").unlink()
    (root / "reports" / "validation.json").unlink()
    shutil.rmtree(root / ".dvc" / "cache" / "runs")


@contextmanager
def start(*arguments: str, root: Path, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Starts a Python module in a workspace, in a session of its own; what it started ends too."""
    others = processes_in(root).keys()
    with subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=root,
        env=environment() | {"PYTHONDONTWRITEBYTECODE": "1"} | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            for pid in processes_in(root).keys() - others:
                kill(pid, signal.SIGKILL)


@contextmanager
def serve_prefect(home: Path) -> Iterator[str]:
    """A Prefect server of its own, on a free port of this machine; gives its API's address."""
    port = free_port()
    variables = {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    command = ("server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui")
    with start("prefect", *command, root=home, **variables) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if f"http://127.0.0.1:{port}/api" in line:
                break
        read_on(process.stdout)
        await_answer(f"http://127.0.0.1:{port}/api/health")
        yield f"http://127.0.0.1:{port}/api"


def read_on(lines: Iterable[str]) -> None:
    """Passes on what processes tell, beside all else: unread, it fills the pipe, and they block."""

    def pass_on() -> None:
        with suppress(ValueError):  # the pipe was closed meanwhile
            for line in lines:
                print(line, end="")

    threading.Thread(target=pass_on, daemon=True).start()


def await_answer(address: str) -> None:
    """Waits until a server answers."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{address} doesn't answer")


def run(
    *arguments: str, root: Path, check: bool = True, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Runs a Python module in a workspace to its end; both its streams are in stdout."""
    with start(*arguments, root=root, **variables) as process:
        output, _ = process.communicate()
    completed = subprocess.CompletedProcess(arguments, process.returncode, output)
    assert completed.returncode == 0 or not check, output
    return completed


def stages_run(output: str) -> list[str]:
    """The stages that DVC says it ran."""
    return _RUNNING.findall(output)


def processes_in(root: Path) -> dict[int, str]:
    """Process → command, of every process that lives and whose current folder is the workspace."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            here = (folder / "cwd").readlink()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        except OSError:
            continue
        if here == root and command and int(folder.name) != os.getpid():
            found[int(folder.name)] = command
    return found


def kill(process: int, number: signal.Signals) -> None:
    """Sends a signal to a process that may have ended."""
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return


def digest_files(root: Path) -> dict[str, str]:
    """Path → SHA-256 of every file that the pipeline or its users own."""
    private = _PRIVATE | _STATE | {".dvc"}
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not private & set(path.relative_to(root).parts)
    }


def snapshot(root: Path) -> dict[str, tuple[int, int, int]]:
    """Path → inode, size and time of change of every file, DVC's own included."""
    found = {}
    for path in root.rglob("*"):
        if path.is_file() and not _PRIVATE & set(path.relative_to(root).parts):
            status = path.stat()
            found[str(path.relative_to(root))] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return found


def require_sound_cache(root: Path) -> None:
    """Every object in DVC's cache has the bytes of its name, and every recorded output an object.

    An output without an object would be made anew, so only one whose object is torn is a fault.
    """
    for path in (root / ".dvc" / "cache" / "files" / "md5").glob("??/*"):
        if re.fullmatch(r"[0-9a-f]{30}(\.dir)?", path.name):
            name = path.parent.name + path.name.removesuffix(".dir")
            assert hashlib.md5(path.read_bytes()).hexdigest() == name, f"{path} is torn"
            if path.name.endswith(".dir"):
                json.loads(path.read_text("utf-8"))


def require_readable_lock(root: Path) -> None:
    """dvc.lock is absent, or YAML that holds stages."""
    path = root / "dvc.lock"
    if path.exists():
        content = YAML(typ="safe").load(path.read_text("utf-8"))
        assert content["schema"] == "2.0", content
        assert isinstance(content["stages"], dict), content
