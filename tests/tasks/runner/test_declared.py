"""A stage keeps its hands off what is a person's, and what is recorded is what ran: real DVC."""

import subprocess
import sys
from pathlib import Path

import pytest
from dvc.repo import Repo

from tasks.runner.declared import read_declared, require_own_outputs
from tasks.runner.errors import InputError
from tests.conftest import PROJECT, configure_dvc, environment

GRAPH = """
stages:
  collect:
    cmd: python collect.py
    deps: [collect.py, "${ingest.path}", "s3://bucket/more"]
    params: [ingest]
    outs:
      - data/raw:
          persist: true
"""
STAGE = """
from pathlib import Path
from tasks.core.files import replacing
from tasks.core.seal import seal

def main():
    with replacing(Path("data/raw")) as folder:
        folder.mkdir()
        (folder / "all.txt").write_text("".join(p.name for p in Path("source").iterdir()))
        seal(folder)
    MEANWHILE

if __name__ == "__main__":
    from tasks.runner.stage import run_stage
    run_stage("collect", "collect")
"""


# A model: listed file by file, so that DVC's cache of runs knows it, and DVC removes nothing else.
LISTED = """
stages:
  collect:
    cmd: python collect.py
    deps: [collect.py, "${ingest.path}"]
    params: [ingest]
    outs: [data/raw/SHA256SUMS, data/raw/all.txt]
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DVC repository whose only stage collects names into a sealed folder."""
    Repo.init(str(tmp_path), no_scm=True).close()
    configure_dvc(tmp_path)
    with (tmp_path / ".dvc" / "config").open("a") as file:
        file.write("    no_scm = true\n")
    (tmp_path / "dvc.yaml").write_text(GRAPH.replace(', "s3://bucket/more"', ""))
    (tmp_path / "params.yaml").write_text("ingest:\n  path: source\n  epochs: 150\n")
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.png").touch()
    write_stage(tmp_path, "")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_stage(root: Path, meanwhile: str) -> None:
    """Writes the stage, and what happens while it runs."""
    (root / "collect.py").write_text(STAGE.replace("MEANWHILE", meanwhile))


def repro(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dvc", "repro"],
        cwd=root,
        env=environment() | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_graph_is_read_with_its_parameters_and_without_addresses(root: Path) -> None:
    (root / "dvc.yaml").write_text(GRAPH)
    (stage,) = read_declared().values()
    assert stage.inputs == (Path("collect.py"), Path("source"))
    assert stage.sections == ("ingest",)
    assert stage.outputs == (Path("data/raw"),)


def test_images_in_an_output_are_refused_and_the_remedy_keeps_them(root: Path) -> None:
    (root / "data" / "raw" / "cat").mkdir(parents=True)
    (root / "data" / "raw" / "cat" / "1.png").write_text("mine")
    refused = repro(root)
    assert refused.returncode != 0
    assert "collect: data/raw holds what no run wrote: cat/; collect would remove it." in (
        refused.stderr
    )
    assert "mv data/raw data/mine" in refused.stderr
    subprocess.run(["mv", "data/raw", "data/mine"], cwd=root, check=True)
    assert repro(root).returncode == 0
    assert (root / "data" / "mine" / "cat" / "1.png").read_text() == "mine"
    assert (root / "data" / "raw" / "all.txt").read_text() == "a.png"


def test_a_file_beside_what_a_run_wrote_is_refused_too(root: Path) -> None:
    assert repro(root).returncode == 0
    (root / "data" / "raw" / "notes.txt").write_text("mine")
    assert "data/raw holds what no run wrote: notes.txt;" in repro(root).stderr
    assert (root / "data" / "raw" / "notes.txt").read_text() == "mine"


def test_a_file_beside_a_model_is_kept_by_plain_dvc_and_the_model_comes_back(root: Path) -> None:
    (root / "dvc.yaml").write_text(LISTED)
    assert repro(root).returncode == 0
    (root / "data" / "raw" / "notes.txt").write_text("mine")
    assert "didn't change" in repro(root).stdout
    (root / "params.yaml").write_text("ingest:\n  path: source\n  epochs: 2\n")
    refused = repro(root)
    assert "data/raw holds what no run wrote: notes.txt; collect would remove it." in refused.stderr
    subprocess.run(["mv", "data/raw", "data/mine"], cwd=root, check=True)
    (root / "params.yaml").write_text("ingest:\n  path: source\n  epochs: 150\n")
    assert "is cached - skipping run" in repro(root).stdout
    assert (root / "data" / "mine" / "notes.txt").read_text() == "mine"
    assert {path.name for path in (root / "data" / "raw").iterdir()} == {"SHA256SUMS", "all.txt"}


def test_what_a_kill_left_of_an_earlier_output_is_no_one_else_s(root: Path) -> None:
    assert repro(root).returncode == 0
    (root / "data" / "raw" / "SHA256SUMS").unlink()
    assert repro(root).returncode == 0


def test_a_link_to_another_disk_is_refused_and_stays(root: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    (root / "data").mkdir()
    (root / "data" / "raw").symlink_to(disk)
    refused = repro(root)
    assert refused.returncode != 0
    assert f"data/raw is a link to {disk}" in refused.stderr
    assert (root / "data" / "raw").is_symlink()


@pytest.mark.parametrize("path", ["data/raw", "data/raw/cats", "data", ".", "./data/../data/raw"])
def test_a_source_inside_or_around_an_output_is_refused(root: Path, path: str) -> None:
    (root / "params.yaml").write_text(f"ingest:\n  path: {path}\n")
    with pytest.raises(InputError, match="is an input of collect, and data/raw is its output"):
        require_own_outputs(read_declared())


@pytest.mark.parametrize(
    ("meanwhile", "told"),
    [
        (
            'Path("params.yaml").write_text("ingest: {path: source, epochs: 2}")',
            "parameter ingest.epochs: 150 → 2",
        ),
        ('Path("source/b.png").touch()', "source/b.png"),
        ('Path("source/a.png").unlink()', "source/a.png"),
        ('Path("collect.py").open("a").write("# edited")', "collect.py"),
    ],
)
def test_what_changes_while_a_stage_runs_fails_it_and_is_not_recorded(
    root: Path, meanwhile: str, told: str
) -> None:
    write_stage(root, meanwhile)
    failed = repro(root)
    assert failed.returncode != 0
    assert (
        f"collect: What it was started with changed while it ran: {told}. Nothing" in failed.stderr
    )
    assert not (root / "dvc.lock").exists()
    write_stage(root, "None")
    assert repro(root).returncode == 0


def test_a_file_that_is_saved_without_a_change_is_no_change(root: Path) -> None:
    write_stage(root, 'Path("collect.py").write_text(Path("collect.py").read_text())')
    assert repro(root).returncode == 0
