"""Whether every processor gives the same bytes: the whole pipeline, emulated, file by file.

    python -m benchmarks.processors

Debian's package `qemu-user` has the emulator. The small data set of the tests, a small network and
one epoch are enough: each kind of computation of every stage is in it. Writes a table into
docs/training.md.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.machine import describe_machine
from benchmarks.pages import fill
from tests.conftest import environment, make_workspace, read_small_parameters
from tests.faults.rig import digest_files

EMULATOR = "qemu-x86_64"
PROCESSORS = {"Haswell": "Intel, 2013", "EPYC-Milan": "AMD, 2021"}
STAGES = ("ingest", "validate", "prepare", "train", "evaluate", "report")
OUTPUTS = ("data/raw", "data/prepared", "models/candidate", "reports")


def main() -> None:
    """Runs the pipeline here and on each emulated processor, and prints the table."""
    with tempfile.TemporaryDirectory() as folder:
        start = make_start(Path(folder) / "start")
        here = run_on(start, Path(folder) / "here", None)
        found = {name: run_on(start, Path(folder) / name, name) for name in PROCESSORS}
    text = f"{render_table(here, found)}\n\n`here`: {describe_machine('tensorflow', 'numpy')}"
    print(text)
    fill(Path("docs/training.md"), "processors", text)


def make_start(root: Path) -> Path:
    """A workspace in which nothing has run."""
    parameters = read_small_parameters()
    parameters["train"] |= {"architecture": "light", "batch_size": 100, "mirror": True}
    parameters["train"] |= {"average_decay": 0.5, "shift": 1}
    return make_workspace(root, parameters)


def run_on(start: Path, root: Path, processor: str | None) -> dict[str, str]:
    """Runs all stages in a copy of a workspace.

    Args:
        start: the workspace.
        root: of the copy.
        processor: the one that is emulated; None: the machine's own.

    Returns:
        Path → SHA-256 of every output.

    """
    shutil.copytree(start, root, symlinks=True)
    emulation = [] if processor is None else [EMULATOR, "-cpu", processor]
    for stage in STAGES:
        subprocess.run(
            [*emulation, sys.executable, "-m", f"tasks.{stage}"],
            cwd=root,
            env=environment(),
            stdin=subprocess.DEVNULL,
            check=True,
        )
    return {path: digest for path, digest in digest_files(root).items() if path.startswith(OUTPUTS)}


def render_table(here: dict[str, str], found: dict[str, dict[str, str]]) -> str:
    """Markdown: a row per file, a column per processor."""
    head = [f"{name} ({PROCESSORS[name]})" for name in found]
    lines = [f"| file | {' | '.join(head)} |", "|---" * (1 + len(found)) + "|"]
    for path, digest in here.items():
        cells = ["same" if its.get(path) == digest else "**differs**" for its in found.values()]
        lines.append(f"| `{path}` | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
