"""One undisturbed run, which every fault is compared with, and a workspace of its own per test."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.rig import Reference, copy_workspace


@pytest.fixture
def finished(reference: Reference, tmp_path: Path) -> Path:
    """A workspace in which the pipeline has run."""
    return copy_workspace(reference.root, tmp_path / "finished")


@pytest.fixture(autouse=True)
def row(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    """Writes into the results which row of docs/faults.md a test belongs to."""
    fault, promise = request.node.get_closest_marker("faults").args
    record_property("fault", fault)
    record_property("promise", promise)
