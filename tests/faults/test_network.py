"""No network but loopback: every process runs where there is no other device."""

from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tests.faults.enclosure import as_loopback, enclose
from tests.faults.rig import Reference, digest_files

pytestmark = pytest.mark.faults(
    "network off: no device but loopback",
    "the whole suite passes, and so does a run on data that is there",
)


def test_the_namespace_has_no_network(tmp_path: Path) -> None:
    """What the other tests rely on."""
    with enclose(as_loopback()) as enclosure:
        routes = enclosure.run("cat", "/proc/net/route", root=tmp_path).stdout
        assert len(routes.splitlines()) == 1, "more than the table's head"


@pytest.mark.long
@pytest.mark.parametrize(
    "door",
    [
        ("dvc", "repro", "--force", "--no-run-cache"),
        (
            "cli",
            "run",
        ),
    ],
)
def test_a_run_needs_no_network(
    finished: Path, reference: Reference, door: tuple[str, ...]
) -> None:
    if door == (
        "cli",
        "run",
    ):
        (finished / "dvc.lock").unlink()
    with enclose(as_loopback()) as enclosure:
        enclosure.python(*door, root=finished)
    assert digest_files(finished) == reference.files


@pytest.mark.long
def test_the_suite_passes_without_a_network() -> None:
    ignored = f"--ignore={PROJECT / 'tests' / 'faults'}"
    with enclose(as_loopback()) as enclosure:
        completed = enclosure.python(
            "pytest", "-q", "-n", "2", "--dist", "loadfile", ignored, root=PROJECT, check=False
        )
    assert completed.returncode == 0, completed.stdout[-5000:]
