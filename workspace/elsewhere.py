"""A stage on another machine, which shares DVC's cache: there it runs, here it is restored.

`flow.elsewhere` names the stages, and what a worker of the Dask cluster must have. The worker makes
a workspace of its own beside the cache, brings the stage's inputs there, and runs it by DVC; then
the cache knows the run. What DVC records here is the same, whoever filled the cache.
"""

import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.core.parameters import PARAMETERS_PATH
from tasks.runner.errors import InputError
from tasks.runner.lock import LOCK_FOLDER, hold_run
from tasks.runner.parts import SCHEDULER_VARIABLE, run_parts
from workspace.graph import Outcome, StageFailedError, bring_up_to_date
from workspace.repository import find_objects, open_dvc

_CODE = Path(__file__).parents[1]
_TASKS = Path("tasks")


@dataclass(frozen=True)
class Request:
    """What a worker must know to run a stage.

    Attributes:
        stage: its name.
        cache: DVC's, which is there under the same path.
        cached: those of its inputs that the cache holds.
        files: path → content of its other inputs, of parameters, of the graph and its record.

    """

    stage: str
    cache: Path
    cached: tuple[str, ...]
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class Answer:
    """What a worker has to say: the stage's lines, and those of its failure, if it failed."""

    lines: tuple[str, ...]
    failure: str | None
    may_pass: bool


def update(
    stage: str,
    *,
    root: Path,
    token: str,
    on_line: Callable[[str], None],
    elsewhere: Mapping[str, Mapping[str, float]],
) -> Outcome:
    """Brings a stage up to date, as `bring_up_to_date` does, which restores what ran elsewhere.

    Args:
        elsewhere: stage → what a worker must have to run it, and how much of it the stage takes.

    Raises:
        StageFailedError: the stage has failed, here or there.
        InputError: no worker has the labels, or it doesn't see DVC's cache.
        NetworkError: there is no cluster, or it was lost.

    """
    if labels := elsewhere.get(stage):
        on_line(f"{stage} runs on a worker with {', '.join(labels)}")
        (answer,) = run_parts(run_stage, [describe(stage, root)], labels=labels)
        for line in answer.lines:
            on_line(line)
        if answer.failure is not None:
            raise StageFailedError(stage, [answer.failure], may_pass=answer.may_pass)
    return bring_up_to_date(stage, root=root, token=token, on_line=on_line)


def describe(stage: str, root: Path) -> Request:
    """What a worker must know of a stage whose upstream stages are up to date.

    Raises:
        InputError: it reads what is neither code nor made by a stage: only this machine has that.

    """
    cached: list[str] = []
    files = {name: (root / name).read_bytes() for name in ("dvc.yaml", str(PARAMETERS_PATH))}
    # What DVC leaves aside decides what a folder's hash is, and so whether a run is known.
    for place in (root / "dvc.lock", root / ".dvcignore"):
        if place.exists():
            files[place.name] = place.read_bytes()
    with open_dvc(root) as repository:
        made = {out.def_path: out for out in repository.index.outs}
        (found,) = repository.stage.collect(stage)
        for path in (dependency.def_path for dependency in found.deps):
            out = made.get(path)
            if out is not None and out.use_cache:
                cached.append(path)
            elif out is not None or not Path(path).is_relative_to(_TASKS):
                files |= _read_files(path, root, stage)
    return Request(stage, find_objects(root).parents[1], tuple(cached), files)


def _read_files(path: str, root: Path, stage: str) -> Iterator[tuple[str, bytes]]:
    place = root / path
    if place.is_dir() and not any(place.glob("**/*.py")):
        raise InputError(
            f"flow.elsewhere names {stage}, which reads {path}: only this machine has that. Take"
            f" {stage} out of flow.elsewhere in params.yaml"
        )
    for file in sorted(place.rglob("*")) if place.is_dir() else [place]:
        if file.is_file() and file.suffix != ".pyc":
            yield str(file.relative_to(root)), file.read_bytes()


def run_stage(request: Request) -> Answer:
    """What a worker does: runs a stage in a workspace that is gone afterwards."""
    if not request.cache.is_dir():
        raise InputError(
            f"The worker on {platform.node()} doesn't see DVC's cache, {request.cache}. Mount it"
            " there under the same path, or have both use one that both see: dvc cache dir PATH"
        )
    lines: list[str] = []
    with tempfile.TemporaryDirectory(prefix="pipeline-stage-") as name:
        root = Path(name)
        _make_workspace(root, request)
        with open_dvc(root) as repository:
            checkout: Any = repository.checkout
            checkout(targets=[str(root / path) for path in request.cached])
        try:
            with hold_run(request.stage, root / LOCK_FOLDER) as token:
                bring_up_to_date(
                    request.stage,
                    root=root,
                    token=token,
                    on_line=lines.append,
                    # A stage that is itself a part doesn't ask the cluster for more.
                    variables={SCHEDULER_VARIABLE: "", "PYTHONPATH": str(_CODE)},
                )
        except StageFailedError as error:
            return Answer(tuple(lines), error.cause, error.may_pass)
    return Answer(tuple(lines), None, may_pass=False)


def _make_workspace(root: Path, request: Request) -> None:
    (root / ".dvc").mkdir()
    (root / ".dvc" / "config").write_text(
        "[core]\n    no_scm = true\n    analytics = false\n    check_update = false\n"
        f'[cache]\n    dir = {request.cache}\n    type = "reflink,hardlink,symlink,copy"\n',
        encoding="utf-8",
    )
    shutil.copytree(_CODE / _TASKS, root / _TASKS, ignore=shutil.ignore_patterns("__pycache__"))
    (root / ".venv").symlink_to(Path(sys.executable).parents[1])
    for path, content in request.files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
