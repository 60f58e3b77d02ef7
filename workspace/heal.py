"""What a killed run may leave behind is removed, or told with its remedy, before DVC meets it.

    pipeline heal

DVC writes its list of busy paths and dvc.lock in place, so that a kill can cut them; with that list
cut, no DVC runs again, and with an empty folder in the cache of runs, a stage never does.
"""

import json
from pathlib import Path

from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from voluptuous import Invalid

from tasks.core.files import TEMPORARY_SUFFIX, remove
from tasks.runner.declared import read_declared
from tasks.runner.errors import InputError
from tasks.runner.lock import hold_run
from workspace.repository import find_places, shown


def remove_broken_leftovers(root: Path) -> list[str]:
    """Removes what only a kill leaves, and what the next run would stumble over or let lie.

    That is DVC's list of busy paths if it can't be read, empty folders of its cache of runs, and
    what a stage hadn't written to its end. The run lock must be held.

    Returns:
        What was removed.

    """
    places = find_places(root)
    removed = []
    if _is_broken(places.busy):
        places.busy.unlink()
        removed.append(places.busy)
    for folder in places.runs.glob("??/*"):
        if not any(folder.iterdir()):
            folder.rmdir()
            removed.append(folder)
    outputs = {output for stage in read_declared(root).values() for output in stage.outputs}
    for folder in sorted({output.parent for output in outputs}):
        for path in sorted((root / folder).glob(f".*{TEMPORARY_SUFFIX}")):
            remove(path)
            removed.append(path)
    return [shown(path, root) for path in removed]


def _is_broken(path: Path) -> bool:
    try:
        return not isinstance(json.loads(path.read_bytes()), dict)
    except FileNotFoundError:
        return False
    except ValueError:
        return True


def require_readable_lock(root: Path) -> None:
    """Refuses a dvc.lock that is cut, or holds the marks of a merge.

    Raises:
        InputError: with the remedy.

    """
    path = root / "dvc.lock"
    if not path.exists():
        return
    try:
        content = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        # A cut can leave sound YAML that DVC refuses, so its own description of the file is asked.
        COMPILED_LOCKFILE_SCHEMA(content)
        broken, cause = "stages" not in content, "it holds no stages"
    except (YAMLError, UnicodeDecodeError, Invalid) as error:
        broken, cause = True, " ".join(str(error).split())
    if broken:
        raise InputError(
            f"dvc.lock can't be read: {cause}. Mend it: rm dvc.lock; dvc repro. What DVC's cache"
            " knows is restored."
        )


def heal(root: Path) -> None:
    """Removes what can be removed, says so, and refuses what only a person can mend."""
    for path in remove_broken_leftovers(root):
        print(f"removed {path}, which a killed run had left", flush=True)
    require_readable_lock(root)


def main() -> None:
    """Heals what can be healed, and ends with a line on what can't."""
    with hold_run("pipeline heal"):
        heal(Path.cwd())
