"""A branch of results: each commit is a workspace that can be checked out, with nothing to run.

It holds all that Git tracks as it was when the results were made: code, parameters, dvc.lock,
metrics. Neither the branch that is checked out, nor its files, nor its index are touched.
"""

import tempfile
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo

from tasks.runner.errors import InputError
from workspace.git import git

_KEY = "params.yaml: flow.commit_to"


def require_possible_branch(branch: str, root: Path) -> None:
    """Refuses, before anything runs, a branch to which no results could be committed.

    Raises:
        InputError: its name can't be had, or somebody works on it; or Git can't commit or sign.

    """
    try:
        git("rev-parse", "--verify", "--quiet", "HEAD^{commit}", root=root)
    except InputError:
        raise InputError(
            f"{_KEY} = {branch!r}: this is no Git repository with a commit to begin the branch at."
            " Make one: git init; git add --all; git commit -m begin"
        ) from None
    git("check-ref-format", "--branch", branch, root=root)
    _require_unused(branch, root)
    _require_no_namesake(branch, root)
    _require_identity(root)
    if _signs(root):
        _require_signature(root)


def commit_results(branch: str, root: Path, *, title: str = "Results of the pipeline") -> str:
    """Commits what Git tracks, and the outputs that live in Git, to a branch.

    Its first parent is the result before, its second the commit from which this one was made. Where
    the branch holds these very files already, nothing is committed.

    Args:
        branch: is made where it is missing.
        root: the folder of dvc.yaml.
        title: the commit's first line.

    Returns:
        The commit at which the branch is now.

    """
    reference = f"refs/heads/{branch}"
    before = git("for-each-ref", "--format=%(objectname)", reference, root=root)
    head = git("rev-parse", "HEAD", root=root)
    tree = _write_tree(root)
    if before and tree == git("rev-parse", f"{before}^{{tree}}", root=root):
        return before
    edited = _edited_files(tree, root)
    trailers = [f"Made-from: {head}", f"Edited-since: {', '.join(edited) or 'nothing'}"]
    parents = [argument for parent in filter(None, (before, head)) for argument in ("-p", parent)]
    signed = ["-S"] if _signs(root) else []
    message = "\n".join([title, "", *trailers])
    commit = git("commit-tree", tree, *parents, *signed, "-m", message, root=root)
    # Refused if somebody else has moved the branch meanwhile.
    git("update-ref", reference, commit, before or "0" * len(commit), root=root)
    return commit


def files_in_git(root: Path) -> list[str]:
    """dvc.lock, and the outputs that dvc.yaml keeps out of DVC's cache."""
    return ["dvc.lock", *_paths_of(root)[0]]


def _paths_of(root: Path) -> tuple[list[str], list[str]]:
    """The outputs that live in Git; and what stages read that no stage writes."""
    try:
        with Repo(str(root)) as repository:
            index = repository.index
            outputs = {str(out) for out in index.outs}
            in_git = sorted(str(out) for out in index.outs if not out.use_cache)
            read = sorted({str(dep) for dep in index.deps if dep.is_in_repo} - outputs)
    except DvcException as error:
        raise InputError(f"DVC: {error}") from error
    return in_git, [path for path in read if not path.startswith("params.yaml")]


def _write_tree(root: Path) -> str:
    """The tree of what Git tracks as it lies there, with code that was never added."""
    outputs, inputs = _paths_of(root)
    with tempfile.TemporaryDirectory() as folder:
        # An index of its own: the user's stays as it is.
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        git("read-tree", "HEAD", root=root, environment=index)
        git("add", "--update", "--", ":/", root=root, environment=index)
        there = [path for path in ["dvc.lock", *outputs] if (root / path).exists()]
        git("add", "--force", "--", *there, root=root, environment=index)
        for path in inputs:
            if (root / path).exists() and not _is_ignored(path, root):
                git("add", "--", path, root=root, environment=index)
        return git("write-tree", root=root, environment=index)


def _is_ignored(path: str, root: Path) -> bool:
    try:
        git("check-ignore", "--quiet", "--", path, root=root)
    except InputError:
        return False
    return True


def _edited_files(tree: str, root: Path) -> list[str]:
    """The files of a tree, results apart, that aren't as in the commit they were made from."""
    results = set(files_in_git(root))
    prefix = git("rev-parse", "--show-prefix", root=root)
    changed = git("diff-tree", "-r", "--name-only", "HEAD", tree, root=root).splitlines()
    return [name for name in changed if name.removeprefix(prefix) not in results]


def _require_unused(branch: str, root: Path) -> None:
    """Results under somebody's feet would be undone by their next commit."""
    listed = git("worktree", "list", "--porcelain", root=root).split("\n\n")
    for worktree in listed:
        if f"branch refs/heads/{branch}" in worktree.splitlines():
            place = worktree.splitlines()[0].removeprefix("worktree ")
            raise InputError(
                f"{_KEY} = {branch!r} is the branch that is checked out in {place}. A run commits"
                " only to a branch that nobody works on; name another."
            )


def _require_no_namesake(branch: str, root: Path) -> None:
    """Git keeps branches as files: none can lie below another."""
    names = git(
        "for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads", root=root
    ).splitlines()
    for name in names:
        if name.startswith(f"{branch}/") or branch.startswith(f"{name}/"):
            raise InputError(
                f"{_KEY} = {branch!r} can't stand beside the branch {name}: Git has no branch below"
                " another. Name another branch."
            )


def _require_identity(root: Path) -> None:
    """Refuses to work for hours towards a commit that Git wouldn't make."""
    for variable in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"):
        try:
            git("var", variable, root=root)
        except InputError:
            raise InputError(
                "params.yaml: flow.commit_to is set, but Git doesn't know in whose name to commit."
                " Tell it: git config user.name NAME; git config user.email ADDRESS"
            ) from None


def _signs(root: Path) -> bool:
    setting = ("config", "--type=bool", "--default=false", "commit.gpgsign")
    return git(*setting, root=root) == "true"


def _require_signature(root: Path) -> None:
    """Signs a commit that no branch names."""
    try:
        git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-S", "-m", "signed", root=root)
    except InputError as error:
        raise InputError(
            f"Git is to sign commits (commit.gpgsign) and can't: {error}. Make the key usable"
            " without a question, or let this repository's commits be unsigned: git config"
            " commit.gpgsign false"
        ) from None
