"""Results go where params.yaml says, and nowhere else: real Git, real DVC, a real S3 server."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from dvc.repo import Repo
from moto.server import ThreadedMotoServer
from ruamel.yaml import YAML

from tasks.runner.errors import InputError, NetworkError
from tests.conftest import PROJECT, environment, write_parameters
from tests.faults.rig import Reference, copy_workspace
from workspace.publish import publish, require_publishable
from workspace.results import commit_results, find_paths


@pytest.fixture
def root(reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace in which the pipeline has run, with nothing staged and one file being edited."""
    root = copy_workspace(reference.root, tmp_path / "workspace")
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Test")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "test@example.invalid")
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    (root / "params.yaml").write_text((root / "params.yaml").read_text() + "# a thought\n")
    return root


def git(*arguments: str, root: Path) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=root, check=True, capture_output=True, text=True
    ).stdout


def dvc(*arguments: str, root: Path) -> None:
    subprocess.run(
        ["dvc", *arguments], cwd=root, env=environment(), check=True, capture_output=True
    )


def cached_objects(folder: Path) -> set[str]:
    return {"".join(path.parts[-2:]) for path in folder.rglob("md5/*/*")}


def test_by_default_nothing_leaves_the_workspace(root: Path) -> None:
    before = git("for-each-ref", root=root), git("status", "--porcelain", "-uno", root=root)
    require_publishable(root, push_to=None, commit_to=None)
    publish(root, push_to=None, commit_to=None, on_line=print)
    assert (
        git("for-each-ref", root=root),
        git("status", "--porcelain", "-uno", root=root),
    ) == before


def test_a_commit_holds_all_that_git_tracks_and_touches_nothing_else(root: Path) -> None:
    (root / "tasks" / "core" / "never_added.py").write_text("")
    dvc("commit", "--force", root=root)
    before = git("status", "--porcelain", "-uno", root=root), git("rev-parse", "HEAD", root=root)
    commit = commit_results("results", root)
    changed = set(git("diff", "--name-only", "HEAD", commit, root=root).split())
    edited = {".dvc/config", "params.yaml", "tasks/core/never_added.py"}
    assert changed == {*find_paths(root)[0], *edited}
    assert {"dvc.lock", "reports/metrics.json"} <= changed
    assert git("show", f"{commit}:dvc.lock", root=root) == (root / "dvc.lock").read_text()
    after = git("status", "--porcelain", "-uno", root=root), git("rev-parse", "HEAD", root=root)
    assert after == before


def test_a_commit_names_what_it_was_made_from_and_what_was_edited(root: Path) -> None:
    head = git("rev-parse", "HEAD", root=root).strip()
    commit = commit_results("results", root)
    message = git("show", "--no-patch", "--format=%B", commit, root=root)
    assert f"Made-from: {head}\nEdited-since: .dvc/config, params.yaml\n" in message
    assert git("rev-parse", f"{commit}^", root=root).strip() == head


def test_a_commit_checks_out_to_a_workspace_with_nothing_to_run(root: Path) -> None:
    edited = (root / "params.yaml").read_text()
    commit_results("results", root)
    git("stash", "--include-untracked", root=root)
    git("checkout", "-q", "results", root=root)
    assert (root / "params.yaml").read_text() == edited
    dvc("checkout", root=root)
    found = subprocess.run(
        ["dvc", "status"], cwd=root, env=environment(), check=True, capture_output=True, text=True
    ).stdout
    assert "up to date" in found


def test_a_commit_holds_the_parameters_that_made_it_whatever_was_edited_since(root: Path) -> None:
    recorded = (root / "params.yaml").read_bytes()
    edited = recorded.decode().replace("epochs: 1", "epochs: 2")
    (root / "params.yaml").write_text(edited)
    assert edited.encode() != recorded
    commit = commit_results("results", root, parameters=recorded)
    assert git("show", f"{commit}:params.yaml", root=root).encode() == recorded


def test_code_that_was_edited_after_a_stage_had_read_it_is_not_committed(root: Path) -> None:
    code = root / "tasks" / "ingest" / "table.py"
    before = code.read_text()
    code.write_text(f"{before}# a thought\n")
    with pytest.raises(InputError, match=r"were edited: tasks/ingest\. .*Run the pipeline again"):
        commit_results("results", root)
    assert "results" not in git("for-each-ref", root=root)
    code.write_text(before)
    assert commit_results("results", root)


def test_images_that_nobody_gave_to_git_are_not_committed(root: Path) -> None:
    shutil.copytree(root / "data" / "source", root / "data" / "mine")
    parameters = YAML(typ="safe").load(root / "params.yaml")
    parameters["ingest"]["path"] = "data/mine"
    write_parameters(root, parameters)
    commit = commit_results("results", root)
    assert "data/mine" not in git("ls-tree", "-r", "--name-only", commit, root=root)
    git("add", "--force", "data/mine", root=root)
    git("commit", "-qm", "mine", root=root)
    commit = commit_results("results", root)
    assert "data/mine" in git("ls-tree", "-r", "--name-only", commit, root=root)


def test_the_same_results_are_committed_once(root: Path) -> None:
    first = commit_results("results", root)
    assert commit_results("results", root) == first
    (root / "dvc.lock").write_text((root / "dvc.lock").read_text() + "# later\n")
    second = commit_results("results", root)
    assert git("rev-parse", f"{second}^1", root=root).strip() == first
    assert git("rev-parse", f"{second}^2", root=root) == git("rev-parse", "HEAD", root=root)


def test_a_branch_that_is_checked_out_in_any_worktree_is_refused(
    root: Path, tmp_path: Path
) -> None:
    git("worktree", "add", "-q", "-b", "results", str(tmp_path / "beside"), root=root)
    with pytest.raises(InputError, match=rf"checked out in {tmp_path}/beside"):
        require_publishable(root, push_to=None, commit_to="results")


@pytest.mark.parametrize(
    ("there", "wanted"), [("results/old", "results"), ("results", "results/a")]
)
def test_a_name_that_git_cannot_have_beside_another_is_refused(
    root: Path, there: str, wanted: str
) -> None:
    git("branch", there, root=root)
    with pytest.raises(InputError, match=f"can't stand beside the branch {there}"):
        require_publishable(root, push_to=None, commit_to=wanted)


def test_a_repository_without_commits_is_refused(root: Path) -> None:
    git("update-ref", "-d", "HEAD", root=root)
    with pytest.raises(InputError, match="no Git repository with a commit"):
        require_publishable(root, push_to=None, commit_to="results")


def test_commits_are_signed_where_git_signs_and_refused_where_it_cannot(
    root: Path, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    for name, value in (("commit.gpgsign", "true"), ("gpg.format", "ssh")):
        git("config", name, value, root=root)
    git("config", "user.signingkey", str(tmp_path / "lost"), root=root)
    with pytest.raises(InputError, match=r"commit\.gpgsign false"):
        require_publishable(root, push_to=None, commit_to="results")
    git("config", "user.signingkey", str(key), root=root)
    require_publishable(root, push_to=None, commit_to="results")
    commit = commit_results("results", root)
    assert "BEGIN SSH SIGNATURE" in git("cat-file", "-p", commit, root=root)


def test_the_branch_that_is_checked_out_is_refused(root: Path) -> None:
    branch = git("branch", "--show-current", root=root).strip()
    with pytest.raises(InputError, match="the branch that is checked out"):
        require_publishable(root, push_to=None, commit_to=branch)


def test_git_that_knows_no_name_is_refused_with_the_remedy(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_publishable(root, push_to=None, commit_to="results")
    git("config", "user.useConfigOnly", "true", root=root)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{name}_NAME")
        monkeypatch.delenv(f"GIT_{name}_EMAIL")
    with pytest.raises(InputError, match=r"git config user\.name NAME"):
        require_publishable(root, push_to=None, commit_to="results")


@pytest.mark.parametrize("name", ["no such..branch", "-x", "a b"])
def test_an_impossible_branch_is_refused(root: Path, name: str) -> None:
    with pytest.raises(InputError):
        require_publishable(root, push_to=None, commit_to=name)


def test_an_unknown_and_an_unverified_remote_are_refused_with_the_remedy(
    root: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="dvc remote add storage"):
        require_publishable(root, push_to="storage", commit_to=None)
    dvc("remote", "add", "storage", str(tmp_path / "storage"), root=root)
    with pytest.raises(InputError, match="dvc remote modify storage verify true"):
        require_publishable(root, push_to="storage", commit_to=None)
    dvc("remote", "modify", "storage", "verify", "true", root=root)
    require_publishable(root, push_to="storage", commit_to=None)


def test_a_folder_as_remote_gets_what_the_cache_holds(root: Path, tmp_path: Path) -> None:
    dvc("remote", "add", "storage", str(tmp_path / "storage"), root=root)
    publish(root, push_to="storage", commit_to=None, on_line=print)
    pushed = cached_objects(tmp_path / "storage")
    assert pushed
    assert pushed <= cached_objects(root / ".dvc" / "cache")
    with Repo(str(root)) as repository:
        needed = {
            out.hash_info.value
            for out in repository.index.outs
            if out.use_cache and out.hash_info is not None
        }
    assert needed <= pushed


def test_s3_gets_them_and_gives_them_back(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        # Before training: there is no such bucket.
        dvc("remote", "add", "wrong", "s3://no-such-bucket/dvc", root=root)
        dvc("remote", "modify", "wrong", "endpointurl", f"http://{host}:{port}", root=root)
        dvc("remote", "modify", "wrong", "verify", "true", root=root)
        with pytest.raises(InputError, match="The DVC remote wrong takes no files"):
            require_publishable(root, push_to="wrong", commit_to=None)
        make_bucket(f"http://{host}:{port}", "results")
        dvc("remote", "add", "storage", "s3://results/dvc", root=root)
        dvc("remote", "modify", "storage", "endpointurl", f"http://{host}:{port}", root=root)
        dvc("remote", "modify", "storage", "verify", "true", root=root)
        require_publishable(root, push_to="storage", commit_to=None)
        publish(root, push_to="storage", commit_to=None, on_line=print)
        model = root / "models" / "candidate" / "classifier.tflite"
        content = model.read_bytes()
        for folder in (root / ".dvc" / "cache", root / "models" / "candidate"):
            subprocess.run(["rm", "-r", str(folder)], check=True)
        dvc("pull", "--remote", "storage", "train", root=root)
        assert model.read_bytes() == content
    finally:
        server.stop()


def make_bucket(address: str, name: str) -> None:
    import boto3

    boto3.client("s3", endpoint_url=address).create_bucket(Bucket=name)


def test_a_remote_that_takes_nothing_is_found_before_training_and_not_tried_again(
    root: Path, tmp_path: Path
) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("not a folder")
    dvc("remote", "add", "storage", str(blocked), root=root)
    dvc("remote", "modify", "storage", "verify", "true", root=root)
    with pytest.raises(InputError, match=r"storage takes no files: .*a file"):
        require_publishable(root, push_to="storage", commit_to=None)
    with pytest.raises(InputError, match="storage takes no files"):
        publish(root, push_to="storage", commit_to="results", on_line=print)
    assert git("show", "results:dvc.lock", root=root) == (root / "dvc.lock").read_text()


def test_a_remote_that_does_not_answer_stops_no_training_and_may_be_tried_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "testing")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    dvc("remote", "add", "storage", "s3://results/dvc", root=root)
    dvc("remote", "modify", "storage", "endpointurl", "http://127.0.0.1:1", root=root)
    dvc("remote", "modify", "storage", "verify", "true", root=root)
    require_publishable(root, push_to="storage", commit_to=None)
    with pytest.raises(NetworkError, match="storage can't be reached"):
        publish(root, push_to="storage", commit_to=None, on_line=print)
