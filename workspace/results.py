"""A branch of results: each commit is a workspace that can be checked out, with nothing to run.

It holds all that Git tracks as it was when the results were made: code, parameters, dvc.lock,
metrics. Neither the branch that is checked out, nor its files, nor its index are touched.
"""

import tempfile
from pathlib import Path

from tasks.core.parameters import PARAMETERS_PATH, read_yaml
from tasks.runner.errors import InputError
from workspace.git import can_git, git, is_set
from workspace.graph import read_stages
from workspace.repository import open_dvc

_PARAMETERS = str(PARAMETERS_PATH)
_KEY = "params.yaml: flow.commit_to"


def require_possible_branch(branch: str, root: Path) -> None:
    """Refuses, before anything runs, a branch to which no results could be committed."""
    if not can_git("rev-parse", "--verify", "--quiet", "HEAD^{commit}", root=root):
        raise InputError(
            f"{_KEY} = {branch!r}: this is no Git repository with a commit to begin the branch at."
            " Make one: git init; git add --all; git commit -m begin"
        )
    git("check-ref-format", "--branch", branch, root=root)
    _require_free(branch, root)
    if not all(can_git("var", f"GIT_{who}_IDENT", root=root) for who in ("AUTHOR", "COMMITTER")):
        raise InputError(
            "params.yaml: flow.commit_to is set, but Git doesn't know in whose name to commit."
            " Tell it: git config user.name NAME; git config user.email ADDRESS"
        )
    if is_set("commit.gpgsign", root):
        _require_signature(root)


def commit_results(branch: str, root: Path, *, parameters: bytes | None = None) -> str:
    """Commits what Git tracks, and the outputs that live in Git, to a branch.

    `parameters` is what params.yaml said when the results were made; None if it says so still.

    Its first parent is the result before, its second the commit from which this one was made. Where
    the branch holds these very files already, nothing is committed. Gives the commit at which the
    branch, which is made where it is missing, is now.
    """
    reference = f"refs/heads/{branch}"
    before = git("for-each-ref", "--format=%(objectname)", reference, root=root)
    head = git("rev-parse", "HEAD", root=root)
    results, inputs = find_paths(root)
    _require_same_inputs(inputs, root)
    tree = _write_tree(root, results=results, inputs=inputs, parameters=parameters)
    if before and tree == git("rev-parse", f"{before}^{{tree}}", root=root):
        return before
    prefix = git("rev-parse", "--show-prefix", root=root)
    changed = git("diff-tree", "-r", "--name-only", "HEAD", tree, root=root).splitlines()
    edited = [name for name in changed if name.removeprefix(prefix) not in results]
    trailers = [f"Made-from: {head}", f"Edited-since: {', '.join(edited) or 'nothing'}"]
    parents = [argument for parent in filter(None, (before, head)) for argument in ("-p", parent)]
    signed = ["-S"] if is_set("commit.gpgsign", root) else []
    message = "\n".join(["Results of the pipeline", "", *trailers])
    commit = git("commit-tree", tree, *parents, *signed, "-m", message, root=root)
    # Refused if somebody else has moved the branch meanwhile.
    git("update-ref", reference, commit, before or "0" * len(commit), root=root)
    return commit


def find_paths(root: Path) -> tuple[list[str], list[str]]:
    """dvc.lock and the outputs that live in Git; what stages read and none writes, images apart."""
    with open_dvc(root) as repository:
        index = repository.index
        outputs = {str(out) for out in index.outs}
        in_git = ["dvc.lock", *sorted(str(out) for out in index.outs if not out.use_cache)]
        read = sorted({str(dep) for dep in index.deps if dep.is_in_repo} - outputs)
    # Images aren't Git's, unless somebody has added them: they may be many, and nobody else's.
    ingest = (read_yaml(root / _PARAMETERS) or {}).get("ingest", {})
    apart = {(root / path).resolve() for path in (_PARAMETERS, ingest.get("path", _PARAMETERS))}
    return in_git, [path for path in read if (root / path).resolve() not in apart]


def _require_same_inputs(inputs: list[str], root: Path) -> None:
    """Refuses code, and other files of Git's, that were edited after a stage had read them."""
    reasons = [reason for stage in read_stages(root) for reason in stage.reasons]
    if edited := [
        path for path in inputs if any(each.startswith(f"input {path} is ") for each in reasons)
    ]:
        raise InputError(
            f"Since a stage has read them, these were edited: {', '.join(edited)}. The branch would"
            " hold results that they haven't made. Run the pipeline again"
        )


def _write_tree(
    root: Path, *, results: list[str], inputs: list[str], parameters: bytes | None
) -> str:
    """The tree of what Git tracks as it lies there, with code that was never added."""
    with tempfile.TemporaryDirectory() as folder:
        # An index of its own: the user's stays as it is.
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        git("read-tree", "HEAD", root=root, environment=index)
        git("add", "--update", "--", ":/", root=root, environment=index)
        there = [path for path in results if (root / path).exists()]
        git("add", "--force", "--", *there, root=root, environment=index)
        for path in filter(lambda path: (root / path).exists(), inputs):
            if not can_git("check-ignore", "--quiet", "--", path, root=root):
                git("add", "--", path, root=root, environment=index)
        if parameters is not None and can_git(
            "ls-files", "--error-unmatch", _PARAMETERS, root=root
        ):
            recorded = Path(folder) / _PARAMETERS
            recorded.write_bytes(parameters)
            content = git("hash-object", "-w", "--", str(recorded), root=root)
            entry = f"100644,{content},{git('rev-parse', '--show-prefix', root=root)}{_PARAMETERS}"
            git("update-index", "--cacheinfo", entry, root=root, environment=index)
        return git("write-tree", root=root, environment=index)


def _require_free(branch: str, root: Path) -> None:
    """Refuses a branch that somebody works on, and a name that Git can't have beside another."""
    layout = "--format=%(refname:lstrip=2)\t%(worktreepath)"
    for line in git("for-each-ref", layout, "refs/heads", root=root).splitlines():
        name, _, place = line.partition("\t")
        if name == branch and place:
            # Their next commit would undo the results.
            raise InputError(
                f"{_KEY} = {branch!r} is the branch that is checked out in {place}. A run commits"
                " only to a branch that nobody works on; name another."
            )
        if name.startswith(f"{branch}/") or branch.startswith(f"{name}/"):
            raise InputError(
                f"{_KEY} = {branch!r} can't stand beside the branch {name}: Git has no branch below"
                " another. Name another branch."
            )


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
