"""What a killed run may leave behind is removed, or told with its remedy, before DVC meets it.

    pipeline heal

DVC writes its list of busy paths and dvc.lock in place, so that a kill can cut them; with that list
cut, no DVC runs again, and with an empty folder in the cache of runs, a stage never does.
"""

import json
from collections.abc import Callable
from pathlib import Path

from tasks.core.files import TEMPORARY_SUFFIX, remove
from tasks.runner.declared import read_declared
from tasks.runner.lock import hold_run
from workspace.repository import open_dvc, read_lock, shown


def remove_broken_leftovers(root: Path) -> list[str]:
    """Removes what only a kill leaves, and what the next run would stumble over or let lie.

    That is DVC's list of busy paths if it can't be read, empty folders of its cache of runs, and
    what a stage hadn't written to its end. The run lock must be held. Gives what was removed.
    """
    with open_dvc(root) as repository:
        busy = Path(str(repository.tmp_dir)) / "rwlock"
        runs = Path(repository.stage_cache.cache_dir)
    removed = [busy] if _is_broken(busy) else []
    removed += [folder for folder in runs.glob("??/*") if not any(folder.iterdir())]
    outputs = {output for stage in read_declared(root).values() for output in stage.outputs}
    for folder in sorted({output.parent for output in outputs}):
        removed += sorted((root / folder).glob(f".*{TEMPORARY_SUFFIX}"))
    for path in removed:
        remove(path)
    return [shown(path, root) for path in removed]


def _is_broken(path: Path) -> bool:
    try:
        return not isinstance(json.loads(path.read_bytes()), dict)
    except FileNotFoundError:
        return False
    except ValueError:
        return True


def heal(root: Path, on_line: Callable[[str], None] = print) -> None:
    """Removes what can be removed, says so, and refuses what only a person can mend."""
    for path in remove_broken_leftovers(root):
        on_line(f"removed {path}, which a killed run had left")
    read_lock(root)


def main() -> None:
    """Heals what can be healed, and ends with a line on what can't."""
    with hold_run("pipeline heal"):
        heal(Path.cwd())
