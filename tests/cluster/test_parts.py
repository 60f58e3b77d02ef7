"""Parts give the same results in the same order on a cluster as on this machine, whatever dies."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tasks.runner.errors import InputError, NetworkError
from tasks.runner.parts import SCHEDULER_VARIABLE, run_parts
from tests.cluster.functions import end_worker, fail, note, square
from tests.cluster.rig import Cluster, cluster_of, kill
from tests.conftest import PROJECT, environment


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler and two workers, for the tests that leave them as they were."""
    with cluster_of(tmp_path_factory.mktemp("cluster"), workers=2) as cluster:
        yield cluster


def attempts(folder: Path) -> list[str]:
    return [line for file in folder.iterdir() for line in file.read_text().splitlines()]


def test_results_come_in_the_order_of_the_parts_which_are_taken_as_they_are_needed(
    cluster: Cluster, tmp_path: Path
) -> None:
    taken: list[int] = []

    def parts() -> Iterator[int]:
        for number in range(20):
            taken.append(number)
            yield number

    results = run_parts(partial(note, folder=tmp_path, seconds=0.01), parts())
    assert next(results) == 0
    assert len(taken) < 10
    assert list(results) == list(range(1, 20))
    assert len(set(attempts(tmp_path))) == 2


def test_what_a_part_raises_is_raised_here(cluster: Cluster) -> None:
    with pytest.raises(InputError, match="1 can't be used"):
        list(run_parts(fail, [1, 2]))


def test_an_unknown_label_is_refused_with_those_that_there_are(cluster: Cluster) -> None:
    with pytest.raises(InputError, match=r"No worker has gpu=1; .* none\. .*--resources \"gpu=1\""):
        list(run_parts(square, [1], labels={"gpu": 1}))


def test_a_killed_worker_costs_one_part_again(cluster: Cluster, tmp_path: Path) -> None:
    results = run_parts(partial(note, folder=tmp_path, seconds=0.3), range(12))
    assert next(results) == 0
    kill(int((tmp_path / "0").read_text()))
    assert list(results) == list(range(1, 12))
    assert len(attempts(tmp_path)) <= 13


def test_a_part_that_ends_its_workers_is_given_again(cluster: Cluster, tmp_path: Path) -> None:
    results = run_parts(partial(end_worker, folder=tmp_path, times=5), range(3))
    assert list(results) == [0, 1, 2]
    assert len((tmp_path / "1").read_text().splitlines()) == 6


def test_a_killed_scheduler_is_told_at_once_and_the_next_one_goes_on(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    with cluster_of(tmp_path / "cluster", workers=1) as cluster:
        results = run_parts(partial(note, folder=notes, seconds=0.2), range(50))
        assert next(results) == 0
        cluster.kill_scheduler()
        started = time.monotonic()
        with pytest.raises(NetworkError, match=r"scheduler has ended\. Start it"):
            list(results)
        assert time.monotonic() - started < 15
        assert len(attempts(notes)) < 50


def test_a_worker_with_a_label_takes_the_parts_that_ask_for_it_and_none_with_threads_is_taken(
    tmp_path: Path,
) -> None:
    with cluster_of(tmp_path / "cluster", workers=1) as cluster:
        cluster.start_worker("--resources", "gpu=1")
        cluster.wait_for_workers(2)
        (tmp_path / "notes").mkdir()
        job = partial(note, folder=tmp_path / "notes", seconds=0)
        assert list(run_parts(job, range(6), labels={"gpu": 1})) == list(range(6))
        assert len(set(attempts(tmp_path / "notes"))) == 1
        cluster.start_worker(threads=2)
        cluster.wait_for_workers(3)
        with pytest.raises(InputError, match=r"has 2 threads; expected one.*--nthreads 1"):
            list(run_parts(square, [1]))


def test_the_death_of_the_only_worker_with_a_label_is_told_though_others_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.runner.cluster._PATIENCE_SECONDS", 3)
    monkeypatch.setattr("tasks.runner.cluster._LOOK_SECONDS", 1)
    with cluster_of(tmp_path / "cluster", workers=1) as cluster:
        cluster.start_worker("--resources", "gpu=1", "--no-nanny")
        cluster.wait_for_workers(2)
        (tmp_path / "notes").mkdir()
        job = partial(note, folder=tmp_path / "notes", seconds=0.5)
        results = run_parts(job, range(9), labels={"gpu": 1})
        assert next(results) == 0
        cluster.workers[1].kill()
        with pytest.raises(NetworkError, match=r"has had no worker with gpu=1 for 3 s\. Start"):
            list(results)


def test_a_worker_of_other_code_or_without_it_is_refused(tmp_path: Path) -> None:
    written_meanwhile = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PROJECT / "tasks", tmp_path / "other" / "tasks", ignore=written_meanwhile)
    (tmp_path / "other" / "tasks" / "added.py").touch()
    for path, words in [
        (tmp_path / "other", r"worker tcp://\S+ has code \w+ for \w+\. .*start it anew"),
        (tmp_path, r"can't run this project's code: .*No module named .*PYTHONPATH"),
    ]:
        with cluster_of(tmp_path / "cluster", workers=0) as cluster:
            cluster.start_worker(PYTHONPATH=str(path))
            with pytest.raises(InputError, match=words):
                list(run_parts(square, [1]))


def test_a_scheduler_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.runner.cluster._CONNECT_SECONDS", 1)
    monkeypatch.setenv(SCHEDULER_VARIABLE, "tcp://127.0.0.1:9")
    with pytest.raises(NetworkError, match=r"No scheduler answers at .*127\.0\.0\.1:9"):
        list(run_parts(square, [1]))


@pytest.mark.parametrize(
    "address",
    [
        "tcp://10.0.0.1:8786",
        "example.org:8786",
        "ws://127.0.0.1:80",
        "tcp://[::]:1",
        ":",
    ],
)
def test_an_address_open_to_others_is_refused_without_tls(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SCHEDULER_VARIABLE, address)
    with pytest.raises(InputError, match=r"open to other machines.* Expected tls://"):
        list(run_parts(square, [1]))


def test_certificates_encrypt_a_cluster_and_none_without_one_is_let_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the commands of docs/cluster.md."""
    page = (PROJECT / "docs" / "cluster.md").read_text("utf-8")
    (command,) = [line for line in page.splitlines() if line.startswith("openssl req")]
    subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=True)
    prefix, certificate = "DASK_DISTRIBUTED__COMM__", str(tmp_path / "certificate.pem")
    assert f"{prefix}REQUIRE_ENCRYPTION=true" in page
    monkeypatch.setenv(f"{prefix}REQUIRE_ENCRYPTION", "true")
    monkeypatch.setenv(f"{prefix}TLS__CA_FILE", certificate)
    for role in ("CLIENT", "SCHEDULER", "WORKER"):
        monkeypatch.setenv(f"{prefix}TLS__{role}__CERT", certificate)
        monkeypatch.setenv(f"{prefix}TLS__{role}__KEY", str(tmp_path / "key.pem"))
    program = (
        "from tasks.runner.parts import run_parts; print(*run_parts(abs, [-1, 2, -3]), flush=True)"
    )
    with cluster_of(tmp_path / "cluster", workers=0, protocol="tls") as cluster:
        cluster.start_worker()
        assert cluster.address.startswith("tls://")
        assert run_python(program).stdout == "1 2 3\n"
        monkeypatch.delenv(f"{prefix}TLS__CLIENT__CERT")
        monkeypatch.delenv(f"{prefix}TLS__CLIENT__KEY")
        assert "No scheduler answers at DASK_SCHEDULER_ADDRESS = tls:" in run_python(program).stderr


def run_python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_an_address_nothing_of_dask_is_imported() -> None:
    program = (
        "import sys; from tasks.runner.parts import run_parts\n"
        "assert list(run_parts(abs, [-1, 2, -3])) == [1, 2, 3]\n"
        "assert not {'distributed', 'dask', 'tornado'} & sys.modules.keys()"
    )
    variables = {name: value for name, value in environment().items() if "DASK" not in name}
    subprocess.run([sys.executable, "-c", program], cwd=PROJECT, env=variables, check=True)
