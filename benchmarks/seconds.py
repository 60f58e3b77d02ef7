"""Where the seconds go: of each stage, of DVC, of the flow, of the commands.

    python -m benchmarks.seconds

clones the last commit twice, with this environment, and writes the tables of docs/speed.md. In the
first clone, all stages run in one process without DVC: the rival. In the second one, `dvc repro`
runs them, then what has nothing left to do. Needs a quiet machine: one run follows the other, ten
minutes in all.
"""

import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, StateType

from benchmarks.machine import describe_machine
from benchmarks.pages import fill
from tests.faults.rig import serve_prefect
from tests.flows.service import Service, serving
from tests.ports import free_port
from workspace.graph import read_stages

_PAGE = Path("docs/speed.md").absolute()
_STARTS = 3
_COMMANDS = (
    ("--help",),
    ("check",),
    ("plan",),
    ("status",),
    ("champion", "show"),
    ("propose", "--help"),
    ("predict", "--help"),
)
_IMPORT = """
import sys
from importlib import import_module
from tasks.core.processor import pin_processor
pin_processor()
stages = [import_module(f"tasks.{name}.stage") for name in sys.argv[1:]]
"""
_RUN = f"{_IMPORT}for stage in stages: stage.main()"


def main() -> None:
    """Measures in the clones; fills the page."""
    names = [stage.name for stage in read_stages(Path.cwd())]
    machine = describe_machine("tensorflow", "dvc", "prefect")
    with tempfile.TemporaryDirectory() as temporary:
        clones = [Path(temporary) / "rival", Path(temporary) / "clone"]
        for clone in clones:
            subprocess.run(["git", "clone", "--quiet", Path.cwd(), clone], check=True)
            (clone / ".venv").symlink_to(sys.prefix)
        os.chdir(clones[0])
        rival = measure(sys.executable, "-c", _RUN, *names)
        os.chdir(clones[1])
        fill(_PAGE, "seconds", f"{tell_stages(names, rival)}\n\n{machine}")
        fill(_PAGE, "nothing", f"{tell_nothing_to_do()}\n\n{machine}")
        fill(_PAGE, "commands", f"{tell_commands()}\n\n{machine}")
        os.chdir(
            _PAGE.parent.parent
        )  # what is left in the clone afterwards has to be the service's
        fill(_PAGE, "served", f"{tell_served_runs(clones[1])}\n\n{machine}")


def measure(*command: str | Path) -> float:
    """The seconds of a command that succeeds."""
    started = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - started


def measure_best(*command: str | Path) -> float:
    """The seconds of the quickest of some runs, the first of which doesn't count."""
    return min([measure(*command) for _ in range(1 + _STARTS)][1:])


def tell_stages(names: list[str], rival: float) -> str:
    """Runs everything from nothing by DVC; a row per stage, and the ratio to the rival."""
    moments = [time.monotonic()]
    with subprocess.Popen(["dvc", "repro"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        moments += [time.monotonic() for line in process.stdout if line.startswith("Running stage")]
    ended = time.monotonic()
    if process.returncode or len(moments) != 1 + len(names):
        sys.exit(f"dvc repro ran {len(moments) - 1} of {len(names)} stages")
    rows = ["| | seconds | of them imports |", "|---|---:|---:|"]
    rows.append(f"| DVC, before the first stage | {moments[1] - moments[0]:.1f} | |")
    for name, (start, end) in zip(names, pairwise([*moments[1:], ended]), strict=True):
        imports = measure_best(sys.executable, "-c", _IMPORT, name)
        rows.append(f"| {name} | {end - start:.1f} | {imports:.1f} |")
    whole = ended - moments[0]
    rows.append(f"| `dvc repro`, all of it | {whole:.1f} | |")
    rows.append(f"| the same stages in one process, without DVC | {rival:.1f} | |")
    return "\n".join(
        [*rows, "", f"`dvc repro` takes {whole / rival:.2f} × as long as one process."]
    )


def tell_nothing_to_do() -> str:
    """A row for each way to find out that nothing has changed."""
    look = measure_best("dvc", "status")
    rows = ["| nothing has changed | seconds | × `dvc status` |", "|---|---:|---:|"]
    rows.append(f"| `dvc status` | {look:.2f} | 1.00 |")
    for command in (("dvc", "repro"), ("pipeline", "repro"), ("pipeline", "run")):
        seconds = measure_best(*command)
        rows.append(f"| `{' '.join(command)}` | {seconds:.2f} | {seconds / look:.2f} |")
    with tempfile.TemporaryDirectory() as folder, serve_prefect(Path(folder)) as address:
        os.environ["PREFECT_API_URL"] = address
        seconds = measure_best("pipeline", "run")
        del os.environ["PREFECT_API_URL"]
    rows.append(f"| `pipeline run` with a server | {seconds:.2f} | {seconds / look:.2f} |")
    return "\n".join(rows)


def tell_served_runs(root: Path) -> str:
    """A row for each part of a run by the service that has nothing to do, each at its quickest."""
    with (
        tempfile.TemporaryDirectory() as home,
        serving(root, free_port(), PREFECT_HOME=home) as client,
    ):
        service = Service(root, client)
        runs = [service.finish_run(service.start_run()) for _ in range(1 + _STARTS)]
        moments = [_moments_of(run, client) for run in runs[1:]]
    steps = (StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.COMPLETED)
    parts = ("until the worker takes it", "until its process runs the flow", "the flow")
    rows = ["| nothing has changed | seconds |", "|---|---:|"]
    for part, (start, end) in zip(parts, pairwise(steps), strict=True):
        rows.append(f"| {part} | {min(found[end] - found[start] for found in moments):.1f} |")
    return "\n".join(rows)


def _moments_of(run: FlowRun, client: SyncPrefectClient) -> dict[StateType, float]:
    """When a run came into each kind of state."""
    states = client.read_flow_run_states(run.id)
    return {state.type: state.timestamp.timestamp() for state in reversed(states)}


def tell_commands() -> str:
    """A row per command, in starts of Python itself."""
    unit = measure_best(sys.executable, "-c", "pass")
    rows = [f"| command | starts of Python, {unit * 1000:.0f} ms each |", "|---|---:|"]
    for command in _COMMANDS:
        seconds = measure_best("pipeline", *command)
        rows.append(f"| `pipeline {' '.join(command)}` | {seconds / unit:.1f} |")
    return "\n".join(rows)


if __name__ == "__main__":
    os.environ["PATH"] = f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}"
    main()
