"""The champion in the model registry: Git tags by GTO's convention, which DVC reads.

Opt-in, because it tags Git: pipeline champion register
"""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from tasks.core import paths
from tasks.models.card import tell_version
from tasks.models.store import CHAMPIONS, champion_folder
from tasks.runner.errors import InputError
from workspace.git import git, is_set

ARTIFACT = "classifier"  # in dvc.yaml, under artifacts
STAGE = "champion"


def register_champion(root: Path) -> Iterator[str]:
    """Gives the champion's commit a version of the artifact, and that version the stage champion.

    What is there already isn't made again, so that a registration can be repeated, or finished.

    Yields:
        One line per tag, also for those that were there.

    Raises:
        InputError: there is no champion, no commit holds it, tags of a remote are missing here, or
            Git can't make or sign one.

    """
    folder = champion_folder(root / CHAMPIONS)
    if folder is None:
        raise InputError("There is no champion to register. The first: pipeline gate")
    champion = folder.name
    _require_tags_of_remote(root)
    versions = read_tags(root, f"{ARTIFACT}@v*")
    name = next((tag for tag, model in versions.items() if model == champion), None)
    if name:
        yield f"{name} is there already"
    else:
        newest = max(map(_numbers_of, versions), default=(0, 0, 0))
        name = f"{ARTIFACT}@v{'.'.join(map(str, (*newest[:2], newest[2] + 1)))}"
        yield _tag(root, name, _find_commit(root, champion), champion)
    if read_stage(root) == champion:
        yield f"{name} is in the stage {STAGE} already"
        return
    stages = read_tags(root, f"{ARTIFACT}#{STAGE}#*")
    number = max((_numbers_of(tag)[-1] for tag in stages), default=0) + 1
    yield _tag(root, f"{ARTIFACT}#{STAGE}#{number}", f"{name}^{{commit}}", champion)


def _numbers_of(tag: str) -> tuple[int, ...]:
    """The numbers at the end of a tag: of a version three, of a stage one."""
    return tuple(int(number) for number in re.findall(r"\d+", re.split("@v|#", tag)[-1])[:3])


def _tag(root: Path, tag: str, commit: str, champion: str) -> str:
    """Git signs the tag where `tag.gpgSign` says so, which GTO's own command doesn't."""
    git("tag", "--annotate", "--message", f"model {champion}", tag, commit, root=root)
    # Git 2.39 makes an unsigned tag where it lacks the key, and calls that a success.
    if is_set("tag.gpgSign", root) and "-----BEGIN " not in git("cat-file", "tag", tag, root=root):
        git("tag", "--delete", tag, root=root)
        raise InputError(
            f"Git is to sign tags (tag.gpgSign), and {tag} wasn't signed: the key is missing. Make"
            " the key usable without a question, or let tags be unsigned: git config tag.gpgSign"
            " false"
        )
    return f"tagged {tag}"


def read_stage(root: Path) -> str | None:
    """The model that the registry hands out as the champion; None if it knows none."""
    tags = read_tags(root, f"{ARTIFACT}#{STAGE}#*")
    newest = max(tags, key=_numbers_of, default=None)
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
        try:
            listed = git("ls-remote", "--tags", "--refs", remote, f"{ARTIFACT}[@#]*", root=root)
        except InputError:
            continue  # it can't be reached, and nothing here needs it
        there = {line.partition("refs/tags/")[2] for line in listed.splitlines()}
        if missing := sorted(there - read_tags(root, f"{ARTIFACT}[@#]*").keys()):
            raise InputError(
                f"The remote {remote} has {len(missing)} tags of {ARTIFACT} that aren't here, such"
                f" as {missing[0]}. Fetch them first: git fetch {remote} --tags"
            )


def _find_commit(root: Path, champion: str) -> str:
    """The newest commit up to HEAD that holds the model."""
    commits = git("rev-list", "HEAD", "--", "dvc.lock", root=root).split()
    for commit in ["HEAD", *commits]:
        if _version_at(root, commit) == champion:
            return commit
    raise InputError(
        f"The champion is {champion}, but no commit up to HEAD holds it; HEAD holds"
        f" {_version_at(root, 'HEAD') or f'no {paths.CANDIDATE} that could be read'}."
        " Commit the dvc.lock of the champion first: git commit dvc.lock reports"
    )


def _version_at(root: Path, commit: str) -> str | None:
    # Only now: `pipeline champion show` does without DVC.
    from workspace.repository import read_at

    try:
        model, card = (
            read_at(commit, path, root) for path in (paths.EXPORTED_MODEL, paths.MODEL_CARD)
        )
        return tell_version(hashlib.sha256(model).hexdigest(), json.loads(card))
    except (InputError, ValueError):
        return None
