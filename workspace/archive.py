"""Every run is kept: one folder each, written once, outside of DVC's graph.

archive/RUN holds what a person judges a run by (report, metrics, verdict, validation, predictions),
what made it (parameters, dvc.lock), and run.json, which says when, how long, why, and from which
code. A run that failed leaves its reason. archive/index.html shows them all over time.
"""

import json
import os
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from ruamel.yaml import YAML, YAMLError

from tasks.core import paths
from tasks.core.files import replacing, write_json
from tasks.core.parameters import PARAMETERS_PATH
from tasks.models.card import version_of
from tasks.models.decide import VERDICT, VERDICT_TEXT
from tasks.models.store import CHAMPIONS, Record, read_record
from tasks.runner.errors import InputError
from workspace.dvc_process import Outcome
from workspace.git import git

ARCHIVE = Path("archive")
RECORD_NAME = "run.json"
CHANGES_NAME = "changes.html"
_PARAMETERS = str(PARAMETERS_PATH)
_KEPT = (
    paths.REPORT_PAGE,
    paths.REPORT_TEXT,
    paths.METRICS,
    paths.EVALUATION,
    paths.PREDICTIONS,
    paths.HISTORY,
    paths.VALIDATION,
    paths.VALIDATION_PAGE,
    VERDICT,
    VERDICT_TEXT,
)
_LOCK = Path("dvc.lock")


@dataclass(frozen=True)
class Run:
    """What a run did, and what it found.

    Attributes:
        name: of its folder; names sort by time.
        started: ISO 8601, UTC.
        seconds: from the first stage to the last.
        outcomes: stage → ran, restored or unchanged; those that the run came to.
        reasons: stage → why it ran.
        failure: why the run failed; None if it didn't.
        commit: that was checked out; None without Git.
        edited: files that differed from that commit, results apart.
        accuracy: on the test images, with its interval; None without a result.
        recalls: class → recall.
        images: split → number of images.
        decision: of the gate; None if it didn't come to that.
        champion: the version in use afterwards.
        pending: the version that waited for a decision afterwards.
        candidate: the version of the model that there was afterwards.
        parameters: dotted key → value.
        code: path → DVC's hash of it, of all code that stages depend on.
        data: DVC's hash of the images.

    """

    name: str
    started: str
    seconds: float
    outcomes: dict[str, str]
    reasons: dict[str, tuple[str, ...]]
    failure: str | None
    commit: str | None
    edited: list[str]
    accuracy: tuple[float, float, float] | None
    recalls: dict[str, float]
    images: dict[str, int]
    decision: str | None
    champion: str | None
    pending: str | None
    candidate: str | None
    parameters: dict[str, Any]
    code: dict[str, str]
    data: str | None


_RUN = TypeAdapter(Run)


@dataclass
class Log:
    """What a run notes while it goes on.

    Attributes:
        parameters: what params.yaml said when it began; people edit it for the next run.
        started: in UTC.
        has_results: whether every stage is up to date: what fails then is about what they gave.

    """

    parameters: bytes
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    has_results: bool = False
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    reasons: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of its folder in the archive, if it comes to that; names sort by time."""
        return self.started.strftime("%Y-%m-%dT%H-%M-%S.%fZ")


@contextmanager
def keeping(root: Path, *, keep_runs: int | None, keep_days: float | None) -> Iterator[Log]:
    """Keeps what the block does, if it is news; renews the overview."""
    from workspace.overview import write_overview

    path = root / PARAMETERS_PATH
    log, clock = Log(path.read_bytes() if path.is_file() else b""), time.monotonic()
    champion = find_record(root).current
    failure: str | None = None
    try:
        yield log
    except BaseException as error:
        failure = str(error) or type(error).__name__
        raise
    finally:
        archive, now = root / ARCHIVE, datetime.now(UTC)
        has_run = any(outcome != "unchanged" for outcome in log.outcomes.values())
        if (
            failure is not None
            or has_run
            or find_record(root).current != champion
            # The run that made it was killed before it was kept.
            or not is_kept(_find_candidate(root), archive)
        ):
            keep_run(root, log, seconds=time.monotonic() - clock, failure=failure)
            with suppress(InputError):  # without the record, nobody knows what is in use
                record = read_record(root / CHAMPIONS)
                limits = {"keep_runs": keep_runs, "keep_days": keep_days}
                in_use = list(filter(None, (record.current, record.waiting)))
                remove_old_runs(archive, **limits, in_use=in_use, now=now)
            write_overview(archive)


def is_kept(candidate: str | None, archive: Path = ARCHIVE) -> bool:
    """Whether the results of a model are in the archive, or there is no model."""
    return candidate is None or any(run.candidate == candidate for run in read_runs(archive))


def keep_run(root: Path, log: Log, *, seconds: float, failure: str | None) -> Run:
    """Adds a run to the archive, whole or not at all."""
    run = describe_run(root, log, seconds=seconds, failure=failure)
    with replacing(root / ARCHIVE / run.name) as folder:
        folder.mkdir()
        (folder / PARAMETERS_PATH.name).write_bytes(recorded_parameters(root, log))
        for path in (_LOCK, *_KEPT):
            # What a run didn't come to describes an earlier one.
            is_old = not log.has_results and path != _LOCK
            is_old |= run.decision is None and path in (VERDICT, VERDICT_TEXT)
            if (root / path).is_file() and not is_old:
                shutil.copyfile(root / path, folder / path.name)
        if log.has_results:
            _keep_images(root, folder, run)
            _show_changes(root, folder, run)
        write_json(folder / RECORD_NAME, asdict(run))
    return run


def _keep_images(root: Path, folder: Path, run: Run) -> None:
    """Which images the run was about, so that it can be compared with runs on others.

    Runs on the same images share one file on the disk.
    """
    from tasks.models.data import IMAGES_NAME, describe_data  # imports pandas

    for earlier in reversed(read_runs(root / ARCHIVE)):
        if run.data and earlier.data == run.data and [*earlier.recalls] == [*run.recalls]:
            with suppress(OSError):
                os.link(root / ARCHIVE / earlier.name / IMAGES_NAME, folder / IMAGES_NAME)
                return
    with suppress(InputError):  # a clone may have the model without the data
        describe_data(root).to_parquet(folder / IMAGES_NAME, index=False)


def _show_changes(root: Path, folder: Path, run: Run) -> None:
    """What the images are like that differ from those of the champion that was in use before."""
    from workspace.changes import write_changes  # imports pandas

    record = find_record(root)
    last = record.events[-1] if record.events else None
    champion = last.replaced if last and last.version == run.candidate else record.current
    if champion is None or champion == run.candidate:
        return
    made = [earlier.name for earlier in read_runs(root / ARCHIVE) if earlier.candidate == champion]
    trained = root / ARCHIVE / made[0] if made else None
    with suppress(InputError):  # a clone may have the model without the data
        write_changes(root, folder, champion=champion, trained=trained)


def describe_run(root: Path, log: Log, *, seconds: float, failure: str | None) -> Run:
    """What is known of a run that has just ended."""
    metrics = _read_json(root / paths.EVALUATION) if log.has_results else {}
    candidate = _find_candidate(root) if log.has_results else None
    verdict = _read_json(root / VERDICT)
    if not candidate or verdict.get("version") != candidate:
        verdict = {}  # it is about an earlier model
    images: dict[str, int] = {}
    for row in _read_json(root / paths.VALIDATION).get("counts", []):
        images[row["split"]] = images.get(row["split"], 0) + row["count"]
    code, data = _read_lock(root)
    commit, edited = _read_git(root)
    accuracy = metrics.get("accuracy")
    champions = find_record(root)
    return Run(
        name=log.name,
        started=log.started.isoformat(timespec="seconds"),
        seconds=round(seconds, 1),
        outcomes=dict(log.outcomes),
        reasons={stage: found for stage, found in log.reasons.items() if found},
        failure=failure,
        commit=commit,
        edited=edited,
        accuracy=(accuracy, *metrics["accuracy_interval"]) if accuracy is not None else None,
        recalls={row["name"]: row["recall"] for row in metrics.get("classes", [])},
        images=images,
        decision=verdict.get("decision"),
        champion=champions.current,
        pending=champions.waiting,
        candidate=candidate,
        parameters=_flatten_yaml(recorded_parameters(root, log)),
        code=code,
        data=data,
    )


def recorded_parameters(root: Path, log: Log) -> bytes:
    """params.yaml as the stages of a run had it.

    That is what it said when the run began, but for what was edited before a stage had begun.
    """
    from workspace.repository import read_lock  # imports DVC

    reader = YAML()  # keeps comments and order
    reader.preserve_quotes = True
    try:
        content, lock = reader.load(log.parameters), read_lock(root)
    except (YAMLError, InputError):  # which is why the run has failed
        return log.parameters
    recorded = {
        name: values
        for stage in log.outcomes
        for name, values in lock.get(stage, {}).get("params", {}).get(_PARAMETERS, {}).items()
    }
    edited = {name: values for name, values in recorded.items() if content.get(name) != values}
    if not edited:
        return log.parameters
    content.update(edited)
    output = BytesIO()
    reader.dump(content, output)
    return output.getvalue()


def find_record(root: Path) -> Record:
    """The record of champions; an empty one where it is lost, which other commands tell."""
    try:
        return read_record(root / CHAMPIONS)
    except InputError:
        return Record()


def read_runs(archive: Path = ARCHIVE) -> list[Run]:
    """All runs that are kept, the oldest first; what isn't a run is passed over."""
    runs = []
    for path in sorted(archive.glob(f"*/{RECORD_NAME}")):
        with suppress(OSError, ValueError):
            run = read_run(path.parent)
            if run.name == path.parent.name:
                runs.append(run)
    return runs


def read_run(folder: Path) -> Run:
    """What the folder of a run says of it."""
    return _RUN.validate_json((folder / RECORD_NAME).read_bytes())


def remove_old_runs(
    archive: Path,
    *,
    keep_runs: int | None,
    keep_days: float | None,
    in_use: Collection[str],
    now: datetime,
) -> list[str]:
    """Removes runs beyond a number or an age; those of models that are in use stay.

    Returns:
        The names of what was removed.

    """
    runs = read_runs(archive)
    kept = {run.name for run in (runs[-keep_runs:] if keep_runs is not None else runs)}
    if keep_days is not None:
        oldest = (now - timedelta(days=keep_days)).isoformat(timespec="seconds")
        kept -= {run.name for run in runs if run.started < oldest}
    removed = [run.name for run in runs if run.name not in kept and run.candidate not in in_use]
    for name in removed:
        shutil.rmtree(archive / name)
    return removed


def find_run(name: str, archive: Path = ARCHIVE) -> Path:
    """The folder of a run, by its name or by the beginning of it.

    Raises:
        InputError: none begins so, or several do.

    """
    names = [run.name for run in read_runs(archive)]
    found = [known for known in names if known.startswith(name)]
    if len(found) != 1:
        raise InputError(
            f"{len(found)} runs in {archive} begin with {name!r}; expected one. The last of them:"
            f" {', '.join(names[-5:]) or 'none'}"
        )
    return archive / found[0]


def _find_candidate(root: Path) -> str | None:
    try:
        return version_of(root / paths.CANDIDATE)
    except InputError:
        return None


def _flatten_yaml(content: bytes) -> dict[str, Any]:
    from dvc.utils.flatten import flatten

    try:
        return flatten(YAML(typ="safe").load(content))
    except (YAMLError, ValueError):  # it is no mapping, or broken: the copy shows how
        return {}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _read_lock(root: Path) -> tuple[dict[str, str], str | None]:
    """The hashes of the code that stages depended on, and that of the images."""
    from workspace.repository import find_images, read_lock  # imports DVC

    stages: dict[str, Any] = {}
    with suppress(InputError):  # it is broken, which may be why the run has failed
        stages = read_lock(root)
    code = {
        dep["path"]: dep["md5"]
        for stage in stages.values()
        for dep in stage.get("deps", [])
        if dep["path"].startswith("tasks/") and "md5" in dep
    }
    return code, find_images(stages)


def _read_git(root: Path) -> tuple[str | None, list[str]]:
    try:
        commit = git("rev-parse", "--short", "HEAD", root=root)
        changed = git("diff", "--name-only", "--relative", "HEAD", root=root).splitlines()
    except (InputError, OSError):
        return None, []
    results = ("dvc.lock", "reports/")
    return commit, [name for name in changed if not name.startswith(results)]
