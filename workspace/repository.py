"""How DVC is opened: with its own answer to where things are, and with clear words if it can't."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dvc.api
from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.repo import Repo
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.scm import SCMError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from voluptuous import Invalid

from tasks.core import paths
from tasks.runner.errors import InputError
from workspace.git import git


@contextmanager
def open_dvc(root: Path) -> Iterator[Repo]:
    """DVC's view of the workspace; what DVC can't do for the block becomes an InputError."""
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


def find_objects(root: Path) -> Path:
    """DVC's cache, by MD5: it may be shared, or lie on another disk."""
    with open_dvc(root) as repository:
        return Path(repository.cache.local.path)


def read_lock(root: Path) -> dict[str, Any]:
    """What dvc.lock records of each stage, if anything; refuses one that is cut or half merged."""
    try:
        content = YAML(typ="safe").load((root / "dvc.lock").read_text(encoding="utf-8"))
        # A cut can leave sound YAML that DVC refuses, so its own description of the file is asked.
        return COMPILED_LOCKFILE_SCHEMA(content)["stages"]  # pyright: ignore[reportIndexIssue] - of voluptuous
    except FileNotFoundError:
        return {}
    except (YAMLError, UnicodeDecodeError, Invalid, KeyError) as error:
        raise InputError(
            f"dvc.lock can't be read: {' '.join(str(error).split())}. Mend it: rm dvc.lock; dvc"
            " repro. What DVC's cache knows is restored."
        ) from None


def find_images(stages: dict[str, Any]) -> str | None:
    """DVC's hash of the images, as dvc.lock records them; None if no stage has made them."""
    outputs = (out for stage in stages.values() for out in stage.get("outs", []))
    return next((out["md5"] for out in outputs if out["path"] == str(paths.RAW)), None)


def read_at(commit: str, path: Path, root: Path) -> bytes:
    """A file of a commit, from Git, DVC's cache or its remote; refused if none of them has it."""
    below = git("rev-parse", "--show-prefix", root=root)
    try:
        content = dvc.api.read(f"{below}{path}", repo=str(root), rev=commit, mode="rb")
    except (DvcException, SCMError, OSError):
        raise InputError(
            f"{path} of commit {commit} is neither in Git nor in DVC's cache or on its remote"
        ) from None
    assert isinstance(content, bytes)
    return content


def shown(path: Path, root: Path) -> str:
    """A path as a person in the workspace writes it."""
    return str(path.relative_to(root) if path.is_relative_to(root) else path)
