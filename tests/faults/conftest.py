"""One undisturbed run, which every fault is compared with, and a workspace of its own per test."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.deployment import deploy, withdraw
from tests.faults.rig import Reference, copy_workspace


@pytest.fixture
def finished(reference: Reference, tmp_path: Path) -> Path:
    """A workspace in which the pipeline has run."""
    return copy_workspace(reference.root, tmp_path / "finished")


@pytest.fixture
def deploy_workspace(prefect_api: str) -> Iterator[Callable[[Path], None]]:
    """Puts a workspace's deployment on the server, until the test ends."""
    yield lambda root: deploy(root, prefect_api)
    withdraw(prefect_api)


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """A shell's background job ignores INT, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def row(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    """Writes into the results which row of docs/faults.md a test belongs to."""
    fault, promise = request.node.get_closest_marker("faults").args
    record_property("fault", fault)
    record_property("promise", promise)
