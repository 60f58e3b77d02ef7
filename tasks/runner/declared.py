"""What dvc.yaml says that a stage reads and writes, held against what lies there.

DVC looks at a stage's inputs when the stage has ended, so that an edit during a run would be
recorded as what ran; and what a person has put into an output would be gone. Both are refused here.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.core.files import write_json
from tasks.core.parameters import PARAMETERS_PATH, read_yaml
from tasks.core.seal import SEAL_NAME, read_seal
from tasks.runner.errors import InputError, name_some
from tasks.runner.lock import LOCK_FOLDER

_WRITTEN = LOCK_FOLDER / "written.json"
_MANIFEST = "manifest.json"  # of tasks/core/dataset.py, whose import would load NumPy too early
_SHOWN = 3


@dataclass(frozen=True)
class Declared:
    """The files and folders that a stage reads and writes, and its sections of params.yaml."""

    inputs: tuple[Path, ...] = ()
    sections: tuple[str, ...] = ()
    outputs: tuple[Path, ...] = ()


def read_declared(root: Path = Path()) -> dict[str, Declared]:
    """Every stage of dvc.yaml, without addresses on a network; none if there is no such file."""
    parameters = read_yaml(root / PARAMETERS_PATH) or {}
    graph = read_yaml(root / "dvc.yaml") or {}
    try:
        return {
            name: Declared(
                inputs=tuple(_paths(stage.get("deps", []), parameters)),
                sections=tuple(stage.get("params", [])),
                outputs=_whole_folders(
                    path
                    for kind in ("outs", "metrics", "plots")
                    for path in _paths(stage.get(kind, []), parameters)
                ),
            )
            for name, stage in graph.get("stages", {}).items()
        }
    except (AttributeError, TypeError) as error:
        raise InputError(f"{root / 'dvc.yaml'} holds no stages as DVC has them: {error}") from None


def _paths(entries: list[Any], parameters: Any) -> Iterator[Path]:
    def value_of(found: re.Match[str]) -> str:
        value = parameters
        for key in found[1].split("."):
            value = value.get(key, {}) if isinstance(value, Mapping) else {}
        return str(value)

    for entry in entries:
        text = entry if isinstance(entry, str) else next(iter(entry))
        text = re.sub(r"\$\{([\w.]+)\}", value_of, text)
        if "://" not in text:
            yield Path(text)


def _whole_folders(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The outputs, where a sealed folder stands for the files in it that dvc.yaml lists."""
    files = list(paths)
    sealed = {path.parent for path in files if path.name == SEAL_NAME}
    return tuple(dict.fromkeys(path.parent if path.parent in sealed else path for path in files))


def require_own_outputs(stages: Mapping[str, Declared]) -> None:
    """Refuses, a line each, outputs that hold what no run wrote, are a link, or hold an input."""
    if faults := [
        fault
        for name, stage in stages.items()
        for output in stage.outputs
        for fault in _faults_of(name, stage, output)
    ]:
        raise InputError("\n".join(faults))


def _faults_of(name: str, stage: Declared, output: Path) -> Iterator[str]:
    whole = Path.cwd() / output
    for path in stage.inputs:
        source = Path(os.path.normpath(Path.cwd() / path))
        if source == whole or whole in source.parents or source in whole.parents:
            yield (
                f"{path} is an input of {name}, and {output} is its output: one lies in the other."
                " Expected is an input that no stage writes. Move it, for instance to data/source,"
                " and name that in params.yaml"
            )
    if not output.is_dir():
        return
    if output.is_symlink():
        yield (
            f"{output} is a link to {output.resolve()}; {name} would put a folder in its place."
            f" For a bigger disk, let DVC's cache lie there: rm {output};"
            " dvc cache dir FOLDER; dvc config cache.type symlink"
        )
    elif found := sorted(set(_entries(output)) - _written_by_runs(output)):
        yield (
            f"{output} holds what no run wrote: {name_some(found, most=_SHOWN)}; {name} would"
            f" remove it. Keep it elsewhere: mv {output} data/mine (images to train on: name that"
            f" in ingest.path). Or remove it: rm -r {output}"
        )


def _entries(folder: Path) -> Iterator[str]:
    return (path.name + "/" * path.is_dir() for path in folder.iterdir())


def _written_by_runs(folder: Path) -> set[str]:
    """The files that runs wrote: by the list among them, and by the record of the last run here.

    The record counts where a kill during a removal took the list first.
    """
    names = set(_recorded().get(str(folder), []))
    try:
        if (folder / SEAL_NAME).exists():
            return names | {SEAL_NAME, *read_seal(folder, remedy="")}
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        return names | {_MANIFEST, *manifest["arrays"]}
    except (InputError, OSError, ValueError, KeyError, TypeError):
        return names


def _recorded() -> dict[str, list[str]]:
    try:
        return json.loads(_WRITTEN.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def record_written(stage: Declared) -> None:
    """Remembers the names of the files in a stage's output folders."""
    if written := {str(path): sorted(_entries(path)) for path in stage.outputs if path.is_dir()}:
        write_json(_WRITTEN, _recorded() | written)


def take_state(stage: Declared) -> dict[str, Any]:
    """What a stage starts with: values of parameters, content of code, size and time of data."""
    parameters = dict(_items_of(read_yaml(PARAMETERS_PATH)))
    files = (file for path in stage.inputs for file in _files_in(path))
    return {
        f"parameter {section}.{key}": value
        for section in stage.sections
        for key, value in _items_of(parameters.get(section))
    } | {str(file): _state_of(file) for file in files}


def _items_of(content: object) -> Iterable[tuple[Any, Any]]:
    return content.items() if isinstance(content, Mapping) else ()


def _files_in(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
    for folder, subfolders, names in os.walk(path):
        subfolders[:] = [name for name in subfolders if name != "__pycache__"]
        yield from (Path(folder) / name for name in names)


def _state_of(file: Path) -> object:
    try:
        if file.suffix == ".py":
            return hashlib.sha256(file.read_bytes()).hexdigest()
        status = file.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def require_same_state(stage: Declared, before: Mapping[str, Any]) -> None:
    """Refuses the result of a stage whose inputs, code or parameters changed while it ran."""
    after = take_state(stage)
    if changed := [
        f"{name}: {before.get(name)} → {after.get(name)}" if name.startswith("parameter ") else name
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]:
        raise InputError(
            "What it was started with changed while it ran:"
            f" {name_some(changed, most=_SHOWN, separator='; ')}."
            " Nothing of this run is recorded. Run it again: dvc repro"
        )
