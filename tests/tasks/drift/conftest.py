"""The tests of drift judge what the tests of prediction predict with."""

from tests.tasks.predict.conftest import model

__all__ = ["model"]
