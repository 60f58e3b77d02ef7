"""One undisturbed run, which every fault is compared with, and a workspace of its own per test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import make_workspace, read_small_parameters
from tests.faults.rig import Reference, copy_workspace, run_undisturbed, serve_prefect


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """An undisturbed run of the whole pipeline."""
    root = tmp_path_factory.mktemp("reference") / "workspace"
    return run_undisturbed(make_workspace(root, read_small_parameters()))


@pytest.fixture
def finished(reference: Reference, tmp_path: Path) -> Path:
    """A workspace in which the pipeline has run."""
    return copy_workspace(reference.root, tmp_path / "finished")


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prefect server, so that not every flow starts its own."""
    with serve_prefect(tmp_path_factory.mktemp("prefect")) as address:
        yield address


@pytest.fixture(autouse=True)
def row(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    """Writes into the results which row of docs/faults.md a test belongs to."""
    fault, promise = request.node.get_closest_marker("faults").args
    record_property("fault", fault)
    record_property("promise", promise)
