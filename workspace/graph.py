"""What DVC knows about the stages, and how it is asked to bring one up to date."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import networkx

from tasks.runner.errors import InputError
from tasks.runner.frame import EXIT_TRY_AGAIN
from tasks.runner.lock import TOKEN_VARIABLE
from workspace.repository import open_dvc

Outcome = Literal["ran", "restored", "unchanged"]
_GRACE_SECONDS = 5
_LAST_LINES = 10
_DELETED = re.compile(r"input (.+) is deleted")
# As Python tells it, or a shell does of SIGKILL and SIGSEGV.
_BY_SIGNAL = re.compile(r", exited with (-\d+|137|139)$")


class StageFailedError(InputError):
    """DVC could not bring a stage up to date.

    Attributes:
        may_pass: whether a second try may succeed.

    """

    def __init__(self, stage: str, lines: list[str], *, may_pass: bool) -> None:
        cause = "\n".join(lines) or "no output"
        super().__init__(
            f"The stage {stage} has failed: {cause}\nWhat was done before it is kept: the next run"
            " goes on from there."
        )
        self.may_pass = may_pass


@dataclass(frozen=True)
class Stage:
    """A stage of the graph as it stands now.

    Attributes:
        name: as in dvc.yaml.
        description: its `desc`.
        upstream: the stages whose outputs it reads.
        reasons: why it is not up to date by itself, in words; empty if it is.

    """

    name: str
    description: str
    upstream: tuple[str, ...]
    reasons: tuple[str, ...]


def read_stages(root: Path) -> list[Stage]:
    """Every stage, in the order in which DVC runs them.

    Raises:
        InputError: DVC can't read its files, or another DVC is at work.

    """
    with open_dvc(root) as repository, repository.lock:
        graph = repository.index.graph
        made = {out.def_path for out in repository.index.outs}
        return [
            Stage(
                name=stage.name,
                description=stage.desc or "",
                upstream=tuple(sorted(parent.name for parent in graph.successors(stage))),
                reasons=_without_lost_sources(list(_reasons(stage)), made),
            )
            for stage in networkx.dfs_postorder_nodes(graph)
        ]


def _reasons(stage: Any) -> Iterator[str]:
    recorded = {
        key: value
        for dependency in stage.params
        for key, value in (dependency.hash_info.value or {}).items()
    }
    current = {
        key: value for dependency in stage.params for key, value in dependency.read_params().items()
    }
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


def _without_lost_sources(reasons: list[str], made: set[str]) -> tuple[str, ...]:
    """No reasons, if all there is to say is that inputs are gone that no stage makes.

    So it is in a clone that has pulled the outputs: the stage couldn't run, and needn't.
    """
    deleted = [_DELETED.fullmatch(reason) for reason in reasons]
    return () if all(found and found[1] not in made for found in deleted) else tuple(reasons)


def _describe_parameters(key: str, before: Any, after: Any) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys([*before, *after]):
            if before.get(name) != after.get(name):
                yield from _describe_parameters(f"{key}.{name}", before.get(name), after.get(name))
    else:
        yield f"parameter {key}: {before} → {after}"


def bring_up_to_date(
    stage: str, *, root: Path, token: str, on_line: Callable[[str], None]
) -> Outcome:
    """Runs `dvc repro --single-item STAGE` in its own process group.

    Args:
        stage: its name; its upstream stages must be up to date.
        root: the folder of dvc.yaml.
        token: of the run lock, lets the stage in.
        on_line: receives each line of output as soon as it is written.

    Raises:
        StageFailedError: the stage or DVC failed.

    """
    environment = os.environ | {
        TOKEN_VARIABLE: token,
        "DVC_NO_ANALYTICS": "1",
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "workspace.dvc_process", "repro", "--single-item", stage]
    lines: list[str] = []
    with subprocess.Popen(
        command,
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
    if process.returncode == 0:
        return _outcome(stage, lines)
    may_pass = any(line.endswith(f"exited with {EXIT_TRY_AGAIN}") for line in lines)
    if process.returncode < 0:
        lines = [f"DVC was ended by {signal.Signals(-process.returncode).name}"]
    raise StageFailedError(stage, _cause(stage, lines), may_pass=may_pass)


def _cause(stage: str, lines: list[str]) -> list[str]:
    """The lines that say why: the stage's own, else DVC's if it never ran, else the last ones."""
    own = [line.removeprefix(f"{stage}: ") for line in lines if line.startswith(f"{stage}: ")]
    errors = [number for number, line in enumerate(lines) if line.startswith("ERROR: ")]
    if errors and _running(stage) not in lines:
        return own or lines[errors[0] :]
    if any(_BY_SIGNAL.search(line) for line in lines):
        own.append(
            "It was ended by a signal. If nobody sent one, the kernel did, because memory ran out"
            " (dmesg says so): give it more, or lower what params.yaml asks of it."
        )
    return own or lines[-_LAST_LINES:]


def _outcome(stage: str, lines: list[str]) -> Outcome:
    """Reads from DVC's own words what it did."""
    if _running(stage) in lines:
        return "ran"
    if any(line.startswith(f"Stage '{stage}' is cached - skipping run") for line in lines):
        return "restored"
    return "unchanged"


def _running(stage: str) -> str:
    """What DVC says before it starts a stage."""
    return f"Running stage '{stage}':"


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
