"""The champion in the model registry: Git tags by GTO's convention, which DVC reads.

Opt-in, because it tags Git: pipeline champion register
"""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tasks.core import paths
from tasks.models.card import tell_version
from tasks.models.store import CHAMPIONS, champion_folder
from tasks.runner.errors import InputError
from workspace.git import git

ARTIFACT = "classifier"  # in dvc.yaml, under artifacts
STAGE = "champion"


def register_champion(root: Path) -> Iterator[str]:
    """Gives the champion's commit a version of the artifact, and that version the stage champion.

    What is there already isn't made again, so that a registration can be repeated, or finished.

    Yields:
        One line per tag, also for those that were there.

    Raises:
        InputError: there is no champion, no commit holds it, or tags of a remote are missing here.

    """
    import gto.api
    from gto.exceptions import GTOException

    folder = champion_folder(root / CHAMPIONS)
    if folder is None:
        raise InputError("There is no champion to register. The first: pipeline gate")
    champion = folder.name
    _require_tags_of_remote(root)
    registered = {model: tag for tag, model in read_tags(root, f"{ARTIFACT}@*").items()}
    try:
        if champion in registered:
            yield f"{registered[champion]} is there already"
        else:
            commit = _find_commit(root, champion)
            made = gto.api.register(root, ARTIFACT, commit, message=f"model {champion}")
            registered[champion] = made.tag if made else ""
            yield f"tagged {registered[champion]}"
        if read_stage(root) == champion:
            yield f"{registered[champion]} is in the stage {STAGE} already"
        else:
            version = registered[champion].removeprefix(f"{ARTIFACT}@")
            stage = gto.api.assign(
                root, ARTIFACT, STAGE, version=version, message=f"model {champion}", force=True
            )
            yield f"tagged {stage.tag if stage else ''}"
    except GTOException as error:
        raise InputError(f"GTO: {error}") from error


def read_stage(root: Path) -> str | None:
    """The model that the registry hands out as the champion; None if it knows none."""
    tags = read_tags(root, f"{ARTIFACT}#{STAGE}#*")
    newest = max(tags, key=lambda tag: int(tag.rpartition("#")[2]), default=None)
    return tags[newest] if newest else None


def read_tags(root: Path, pattern: str) -> dict[str, str]:
    """The tags of a pattern, and the version of the model in the message of each."""
    layout = "--format=%(refname:short)\t%(contents:subject)"
    lines = git("tag", "--list", pattern, layout, root=root).splitlines()
    tags = (line.partition("\t") for line in lines)
    return {tag: message.removeprefix("model ") for tag, _, message in tags}


def _require_tags_of_remote(root: Path) -> None:
    """A clone without tags would count from 1 again, and its tags could never be pushed."""
    for remote in git("remote", root=root).split():
        listed = subprocess.run(
            ["git", "ls-remote", "--tags", "--refs", remote, f"{ARTIFACT}@*", f"{ARTIFACT}#*"],
            cwd=root,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        there = {line.partition("refs/tags/")[2] for line in listed.stdout.splitlines()}
        here = {*read_tags(root, f"{ARTIFACT}@*"), *read_tags(root, f"{ARTIFACT}#*")}
        if missing := sorted(there - here):
            raise InputError(
                f"The remote {remote} has {len(missing)} tags of {ARTIFACT} that aren't here, such"
                f" as {missing[0]}. Fetch them first: git fetch {remote} --tags"
            )


def _find_commit(root: Path, champion: str) -> str:
    """The newest commit up to HEAD that holds the model."""
    commits = git("rev-list", "--max-count=50", "HEAD", "--", "dvc.lock", root=root).split()
    for commit in ["HEAD", *commits]:
        if _version_at(root, commit) == champion:
            return commit
    raise InputError(
        f"The champion is {champion}, but no commit up to HEAD holds it; HEAD holds"
        f" {_version_at(root, 'HEAD') or f'no {paths.CANDIDATE} that could be read'}."
        " Commit the dvc.lock of the champion first: git commit dvc.lock reports"
    )


def _version_at(root: Path, commit: str) -> str | None:
    import dvc.api
    from dvc.exceptions import DvcException
    from scmrepo.exceptions import SCMError

    try:
        model, card = (
            dvc.api.read(str(path), repo=str(root), rev=commit, mode="rb")
            for path in (paths.EXPORTED_MODEL, paths.MODEL_CARD)
        )
        return tell_version(hashlib.sha256(model).hexdigest(), json.loads(card))  # pyright: ignore[reportArgumentType] - mode is "rb"
    except (DvcException, SCMError, OSError, ValueError):
        return None
