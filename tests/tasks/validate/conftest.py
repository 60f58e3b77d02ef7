"""The small real data set as splits, and its parameters."""

from types import SimpleNamespace

import pytest

from benchmarks.corruptions import Splits
from tests.conftest import typed
from tests.tasks.report.conftest import real_splits


@pytest.fixture(scope="package")
def splits() -> Splits:
    """400 + 100 real images."""
    return real_splits()


@pytest.fixture
def parameters(small_parameters: dict) -> SimpleNamespace:
    return typed(small_parameters)
