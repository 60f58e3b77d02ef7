"""What dvc.yaml says that a stage reads and writes, held against what lies there.

DVC looks at a stage's inputs when the stage has ended, so that an edit during a run would be
recorded as what ran; and what a person has put into an output would be gone. Both are refused here.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tasks.core.files import write_json
from tasks.core.parameters import PARAMETERS_PATH
from tasks.core.seal import SEAL_NAME, read_seal
from tasks.runner.errors import InputError
from tasks.runner.lock import LOCK_FOLDER

_WRITTEN = LOCK_FOLDER / "written.json"
_MANIFEST = "manifest.json"  # of tasks/core/dataset.py, whose import would load NumPy too early
_NUM_NAMED = 3


@dataclass(frozen=True)
class Declared:
    """What a stage reads and writes, by dvc.yaml; addresses on a network are left out.

    Attributes:
        inputs: files and folders.
        sections: of params.yaml.
        outputs: files and folders.

    """

    inputs: tuple[Path, ...] = ()
    sections: tuple[str, ...] = ()
    outputs: tuple[Path, ...] = ()


def read_declared(root: Path = Path()) -> dict[str, Declared]:
    """Every stage of dvc.yaml; none if there is no such file.

    Raises:
        InputError: it can't be read.

    """
    parameters = _read(root / PARAMETERS_PATH)
    graph = _read(root / "dvc.yaml")
    try:
        return {
            name: Declared(
                inputs=tuple(_paths(stage.get("deps", []), parameters)),
                sections=tuple(stage.get("params", [])),
                outputs=tuple(
                    path
                    for kind in ("outs", "metrics", "plots")
                    for path in _paths(stage.get(kind, []), parameters)
                ),
            )
            for name, stage in graph.get("stages", {}).items()
        }
    except (AttributeError, TypeError) as error:
        raise InputError(f"{root / 'dvc.yaml'} holds no stages as DVC has them: {error}") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return YAML(typ="safe").load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        return {}
    except (YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None


def _paths(entries: list[Any], parameters: Mapping[str, Any]) -> Iterator[Path]:
    def value_of(found: re.Match[str]) -> str:
        value: Any = parameters
        for key in found[1].split("."):
            value = value.get(key, {}) if isinstance(value, Mapping) else {}
        return str(value)

    for entry in entries:
        text = entry if isinstance(entry, str) else next(iter(entry))
        text = re.sub(r"\$\{([\w.]+)\}", value_of, text)
        if "://" not in text:
            yield Path(text)


def require_own_outputs(stages: Mapping[str, Declared]) -> None:
    """Refuses to go on where an output holds what no run wrote, is a link, or holds an input.

    Raises:
        InputError: with one line per such output.

    """
    faults = [
        fault
        for name, stage in stages.items()
        for output in stage.outputs
        for fault in _faults_of(name, stage, output)
    ]
    if faults:
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
        others = f" and {len(found) - _NUM_NAMED:,} more" if len(found) > _NUM_NAMED else ""
        yield (
            f"{output} holds what no run wrote: {', '.join(found[:_NUM_NAMED])}{others}; {name}"
            f" would remove it. Keep it elsewhere: mv {output} data/mine"
            f" (images to train on: name that in ingest.path). Or remove it: rm -r {output}"
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
    written = {str(path): sorted(_entries(path)) for path in stage.outputs if path.is_dir()}
    if written:
        write_json(_WRITTEN, _recorded() | written)


def take_state(stage: Declared) -> dict[str, Any]:
    """What a stage was started with: values of parameters, content of code, size and time of data.

    Returns:
        Name of what can change → its state.

    """
    parameters = _read(PARAMETERS_PATH)
    values: dict[str, Any] = {}
    for section in stage.sections:
        content = parameters.get(section)
        keys = content if isinstance(content, Mapping) else {}
        values |= {f"parameter {section}.{key}": value for key, value in keys.items()}
    files = (file for path in stage.inputs for file in _files_in(path))
    return values | {str(file): _state_of(file) for file in files}


def _files_in(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
    for folder, subfolders, names in os.walk(path):
        if "__pycache__" in subfolders:
            subfolders.remove("__pycache__")
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
    """Refuses the result of a stage whose inputs, code or parameters changed while it ran.

    Raises:
        InputError: with what changed.

    """
    after = take_state(stage)
    changed = [
        f"{name}: {before.get(name)} → {after.get(name)}" if name.startswith("parameter ") else name
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
    if changed:
        others = f" and {len(changed) - _NUM_NAMED:,} more" if len(changed) > _NUM_NAMED else ""
        raise InputError(
            f"What it was started with changed while it ran: {'; '.join(changed[:_NUM_NAMED])}"
            f"{others}. Nothing of this run is recorded. Run it again: dvc repro"
        )
