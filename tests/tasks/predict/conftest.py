"""What the tests of prediction share: a small trained model."""

import pytest

from tasks.predict.model import Model, load_model
from tests.conftest import PROJECT

MODEL = PROJECT / "tests" / "fixtures" / "model"


@pytest.fixture(scope="session")
def model() -> Model:
    return load_model(str(MODEL), num_threads=1)
