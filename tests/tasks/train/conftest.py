"""What the tests of training share: the recipe, small real images, and one network for each."""

import gzip

import numpy as np
import pytest

from tasks.train.parameters import TrainParameters
from tests.conftest import FIXTURE, read_parameters, typed


@pytest.fixture(scope="session")
def recipe() -> TrainParameters:
    """The tests' own recipe, in float32, so that it can be compared with other computations."""
    parameters = typed(read_parameters()).train
    return parameters.model_copy(update={"precision": "float32", "batch_size": 32})


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    """(400, 28, 28, 1) uint8, read only."""
    content = gzip.decompress((FIXTURE / "train-images-idx3-ubyte.gz").read_bytes())
    return np.frombuffer(content, np.uint8, offset=16).reshape(-1, 28, 28, 1)


@pytest.fixture(scope="session")
def labels() -> np.ndarray:
    """(400,) uint8 in 0..9, read only."""
    content = gzip.decompress((FIXTURE / "train-labels-idx1-ubyte.gz").read_bytes())
    return np.frombuffer(content, np.uint8, offset=8)
