"""Results go where params.yaml says, and nowhere else: real Git, real DVC, a real S3 server."""

import os
import subprocess
from pathlib import Path

import pytest
from dvc.repo import Repo
from moto.server import ThreadedMotoServer

from flows.parameters import FlowParameters
from tasks.runner.errors import InputError, NetworkError
from tests.conftest import PROJECT, environment, typed
from tests.faults.rig import Reference, copy_workspace
from workspace.publish import commit_results, files_in_git, publish, require_publishable


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


@pytest.fixture
def flow(small_parameters: dict) -> FlowParameters:
    return typed(small_parameters).flow


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


def test_by_default_nothing_leaves_the_workspace(root: Path, flow: FlowParameters) -> None:
    before = git("for-each-ref", root=root), git("status", "--porcelain", "-uno", root=root)
    require_publishable(flow, root)
    publish(flow, root, print)
    assert (
        git("for-each-ref", root=root),
        git("status", "--porcelain", "-uno", root=root),
    ) == before


def test_a_commit_holds_the_lock_and_the_metrics_and_touches_nothing_else(root: Path) -> None:
    status, head = (
        git("status", "--porcelain", "-uno", root=root),
        git("rev-parse", "HEAD", root=root),
    )
    commit = commit_results("results", root)
    assert set(git("diff", "--name-only", "HEAD", commit, root=root).split()) == set(
        files_in_git(root)
    )
    assert {"dvc.lock", "reports/metrics.json"} <= set(files_in_git(root))
    assert git("show", f"{commit}:dvc.lock", root=root) == (root / "dvc.lock").read_text()
    assert git("status", "--porcelain", "-uno", root=root) == status
    assert git("rev-parse", "HEAD", root=root) == head


def test_the_same_results_are_committed_once(root: Path) -> None:
    first = commit_results("results", root)
    assert commit_results("results", root) == first
    (root / "dvc.lock").write_text((root / "dvc.lock").read_text() + "# later\n")
    second = commit_results("results", root)
    assert git("rev-parse", f"{second}^", root=root).strip() == first


def test_the_branch_that_is_checked_out_is_refused(root: Path, flow: FlowParameters) -> None:
    branch = git("branch", "--show-current", root=root).strip()
    with pytest.raises(InputError, match="the branch that is checked out"):
        require_publishable(flow.model_copy(update={"commit_to": branch}), root)


def test_git_that_knows_no_name_is_refused_with_the_remedy(
    root: Path, flow: FlowParameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = flow.model_copy(update={"commit_to": "results"})
    require_publishable(asking, root)
    git("config", "user.useConfigOnly", "true", root=root)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{name}_NAME")
        monkeypatch.delenv(f"GIT_{name}_EMAIL")
    with pytest.raises(InputError, match=r"git config user\.name NAME"):
        require_publishable(asking, root)


@pytest.mark.parametrize("name", ["no such..branch", "-x", "a b"])
def test_an_impossible_branch_is_refused(root: Path, flow: FlowParameters, name: str) -> None:
    with pytest.raises(InputError):
        require_publishable(flow.model_copy(update={"commit_to": name}), root)


def test_an_unknown_and_an_unverified_remote_are_refused_with_the_remedy(
    root: Path, tmp_path: Path, flow: FlowParameters
) -> None:
    asking = flow.model_copy(update={"push_to": "storage"})
    with pytest.raises(InputError, match="dvc remote add storage"):
        require_publishable(asking, root)
    dvc("remote", "add", "storage", str(tmp_path / "storage"), root=root)
    with pytest.raises(InputError, match="dvc remote modify storage verify true"):
        require_publishable(asking, root)
    dvc("remote", "modify", "storage", "verify", "true", root=root)
    require_publishable(asking, root)


def test_a_folder_as_remote_gets_what_the_cache_holds(
    root: Path, tmp_path: Path, flow: FlowParameters
) -> None:
    dvc("remote", "add", "storage", str(tmp_path / "storage"), root=root)
    publish(flow.model_copy(update={"push_to": "storage"}), root, print)
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


def test_s3_gets_them_and_gives_them_back(
    root: Path, flow: FlowParameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        make_bucket(f"http://{host}:{port}", "results")
        dvc("remote", "add", "storage", "s3://results/dvc", root=root)
        dvc("remote", "modify", "storage", "endpointurl", f"http://{host}:{port}", root=root)
        dvc("remote", "modify", "storage", "verify", "true", root=root)
        asking = flow.model_copy(update={"push_to": "storage"})
        require_publishable(asking, root)
        publish(asking, root, print)
        model = root / "models" / "candidate" / "classifier.tflite"
        content = model.read_bytes()
        for folder in (root / ".dvc" / "cache", root / "models" / "candidate"):
            subprocess.run(["rm", "-r", str(folder)], check=True)
        dvc("pull", "--remote", "storage", "models/candidate", root=root)
        assert model.read_bytes() == content
    finally:
        server.stop()


def make_bucket(address: str, name: str) -> None:
    import boto3

    boto3.client("s3", endpoint_url=address).create_bucket(Bucket=name)


def test_a_remote_that_does_not_answer_may_be_tried_again_and_its_last_words_are_told(
    root: Path, flow: FlowParameters, tmp_path: Path
) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("not a folder")
    dvc("remote", "add", "storage", str(blocked), root=root)
    message = r"(?s)dvc push --remote storage has failed: .*a file.*the next run pushes them"
    with pytest.raises(NetworkError, match=message):
        publish(flow.model_copy(update={"push_to": "storage"}), root, print)
