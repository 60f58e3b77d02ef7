"""How DVC is opened: with its own answer to where things are, and with clear words if it can't."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.repo import Repo
from dvc.scm import SCMError

from tasks.runner.errors import InputError


@contextmanager
def open_dvc(root: Path) -> Iterator[Repo]:
    """DVC's view of the workspace.

    Raises:
        InputError: DVC can't do what the block asks of it.

    """
    try:
        with Repo(str(root)) as repository:
            yield repository
    except NotDvcRepoError:
        raise InputError(
            f"{root} holds no DVC repository: its folder .dvc is missing. Clone the project anew,"
            " or run: dvc init"
        ) from None
    except SCMError as error:
        raise InputError(
            f"{root} lies in no Git repository, which DVC expects ({error}). Make one: git init."
            " Or do without: dvc config --local core.no_scm true"
        ) from None
    except DvcException as error:
        raise InputError(f"DVC: {error}") from error


@dataclass(frozen=True)
class Places:
    """Where DVC keeps what it needs: its cache may be shared, or lie on another disk.

    Attributes:
        objects: the cache, by MD5.
        runs: the cache of runs.
        busy: the list of paths that a DVC at work reads or writes.

    """

    objects: Path
    runs: Path
    busy: Path


def find_places(root: Path) -> Places:
    """Asks DVC, whose settings say where."""
    with open_dvc(root) as repository:
        assert repository.tmp_dir is not None
        return Places(
            Path(repository.cache.local.path),
            Path(repository.stage_cache.cache_dir),
            Path(repository.tmp_dir) / "rwlock",
        )


def shown(path: Path, root: Path) -> str:
    """A path as a person in the workspace writes it."""
    return str(path.relative_to(root) if path.is_relative_to(root) else path)
