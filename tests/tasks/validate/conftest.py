"""The small real data set as splits, and its parameters."""

import pytest

from benchmarks.corruptions import Splits
from tasks.parameters import Parameters
from tests.tasks.report.conftest import real_splits


@pytest.fixture(scope="package")
def splits() -> Splits:
    """400 + 100 real images."""
    return real_splits()


@pytest.fixture
def parameters(small_parameters: dict) -> Parameters:
    return Parameters.model_validate(small_parameters)
