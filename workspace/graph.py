"""What DVC knows about the stages, and how it is asked to bring one up to date."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx

from tasks.runner.errors import InputError
from tasks.runner.frame import EXIT_TRY_AGAIN
from tasks.runner.lock import TOKEN_VARIABLE
from workspace.dvc_process import OUTCOMES, Outcome
from workspace.repository import open_dvc, read_lock

_GRACE_SECONDS = 5
_LAST_LINES = 10


class StageFailedError(InputError):
    """DVC could not bring a stage up to date; at a second try, it `may_pass`."""

    def __init__(self, stage: str, lines: list[str], *, may_pass: bool) -> None:
        self.cause = "\n".join(lines) or "no output"
        super().__init__(
            f"The stage {stage} has failed: {self.cause}\nWhat was done before it is kept: the next"
            " run goes on from there."
        )
        self.may_pass = may_pass


@dataclass(frozen=True)
class Stage:
    """A stage of the graph as it stands now."""

    name: str
    upstream: tuple[str, ...]  # whose outputs it reads
    reasons: tuple[str, ...]  # why it is not up to date by itself, in words; empty if it is


def read_stages(root: Path) -> list[Stage]:
    """Every stage, in the order in which DVC runs them; refused while another DVC is at work."""
    read_lock(root)
    with open_dvc(root) as repository, repository.lock:
        graph = repository.index.graph
        made = {out.def_path for out in repository.index.outs}
        return [
            Stage(
                name=stage.name,
                upstream=tuple(sorted(parent.name for parent in graph.successors(stage))),
                reasons=_find_reasons(stage, made),
            )
            for stage in networkx.dfs_postorder_nodes(graph)
        ]


def _find_reasons(stage: Any, made: set[str]) -> tuple[str, ...]:
    """Why a stage isn't up to date; nothing, if only inputs are gone that no stage makes.

    So it is in a clone that has pulled the outputs: the stage couldn't run, and needn't.
    """
    reasons = tuple(_describe_changes(stage))
    lost = {
        f"input {source} is deleted"
        for source in stage.deps
        if reasons and source.def_path not in made and not source.exists
    }
    return () if lost.issuperset(reasons) else reasons


def _describe_changes(stage: Any) -> Iterator[str]:
    recorded: dict[str, Any] = {}
    current: dict[str, Any] = {}
    for dependency in stage.params:
        recorded |= dependency.hash_info.value or {}
        current |= dependency.read_params()
    for entry in stage.status().get(stage.addressing, []):
        if isinstance(entry, str):
            yield f"the {entry}"
            continue
        for kind, changes in entry.items():
            what = "output" if kind == "changed outs" else "input"
            for path, change in changes.items():
                if isinstance(change, Mapping):
                    for section in change:
                        yield from _describe_parameters(
                            section, recorded.get(section), current.get(section)
                        )
                else:
                    yield f"{what} {path} is {change}"


def _describe_parameters(key: str, before: Any, after: Any) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys([*before, *after]):
            if before.get(name) != after.get(name):
                yield from _describe_parameters(f"{key}.{name}", before.get(name), after.get(name))
    else:
        yield f"parameter {key}: {before} → {after}"


def bring_up_to_date(
    stage: str,
    *,
    root: Path,
    token: str,
    on_line: Callable[[str], None],
    variables: Mapping[str, str] | None = None,
) -> Outcome:
    """Has DVC run one stage, whose upstream stages are up to date, in a process group of its own.

    Args:
        token: of the run lock, lets the stage in.
        on_line: receives each line of output as soon as it is written.
        variables: of the stage's environment, that differ from this process's.

    Returns:
        ran, restored (from DVC's cache of runs) or unchanged.

    """
    environment = os.environ | {
        TOKEN_VARIABLE: token,
        "DVC_NO_ANALYTICS": "1",
        "PYTHONUNBUFFERED": "1",
        **(variables or {}),
    }
    lines: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-m", "workspace.dvc_process", stage],
        cwd=root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            for raw_line in process.stdout:
                line = raw_line.rstrip()
                if line:
                    lines.append(line)
                    on_line(line)
            process.wait()
        except BaseException:
            _end_group(process)
            raise
    if process.returncode in OUTCOMES:
        return OUTCOMES[process.returncode]
    if process.returncode < 0:
        lines.append(f"{stage}: DVC was ended by {signal.Signals(-process.returncode).name}")
    # What the stage, or DVC, says in words; of an error in the code, the last lines.
    own = [line.removeprefix(f"{stage}: ") for line in lines if line.startswith(f"{stage}: ")]
    may_pass = process.returncode == EXIT_TRY_AGAIN
    raise StageFailedError(stage, own or lines[-_LAST_LINES:], may_pass=may_pass)


def _end_group(process: subprocess.Popen[str]) -> None:
    """Ends DVC and the stage under it: asked first, then killed."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=_GRACE_SECONDS)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
