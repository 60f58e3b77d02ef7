"""The champion in the model registry: Git tags by GTO's convention, which DVC reads.

Opt-in, because it tags Git: python -m workspace.champion register
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import dvc.api
import gto.api
from dvc.exceptions import DvcException
from gto.exceptions import GTOException
from scmrepo.exceptions import SCMError

from tasks.core import paths
from tasks.models.store import read_record
from tasks.runner.errors import InputError

ARTIFACT = "classifier"  # in dvc.yaml, under artifacts
STAGE = "champion"


def register_champion(root: Path) -> Iterator[str]:
    """Registers the commit HEAD as a version of the artifact, and assigns it the stage champion.

    Yields:
        One line per tag.

    Raises:
        InputError: there is no champion, or it isn't the model that HEAD's dvc.lock names.

    """
    champion = read_record(root / "models" / "champion").current
    if champion is None:
        raise InputError(
            "There is no champion to register. The first: python -m tasks.models.decide"
        )
    committed = _committed_version(root)
    if committed != champion:
        raise InputError(
            f"The champion is {champion}, but the commit HEAD holds the model {committed}."
            f" Commit the dvc.lock of the champion first: git commit dvc.lock reports"
        )
    try:
        version = gto.api.register(root, ARTIFACT, "HEAD", message=f"model {champion}")
        yield f"tagged {version.tag if version else 'nothing'}"
        stage = gto.api.assign(root, ARTIFACT, STAGE, ref="HEAD", message=f"model {champion}")
        yield f"tagged {stage.tag if stage else 'nothing'}"
    except GTOException as error:
        raise InputError(f"GTO: {error}") from error


def _committed_version(root: Path) -> str:
    try:
        model = dvc.api.read(str(paths.EXPORTED_MODEL), repo=str(root), rev="HEAD", mode="rb")
    except (DvcException, SCMError, OSError) as error:
        raise InputError(
            f"The commit HEAD holds no {paths.EXPORTED_MODEL} ({error})."
            " Commit the dvc.lock of the champion first: git commit dvc.lock reports"
        ) from error
    assert isinstance(model, bytes)
    return hashlib.sha256(model).hexdigest()[:12]
