"""The model that the report compares with: reports/baseline.json.

It is made from a commit by `pipeline baseline`, lies in Git, and is an input of the report like any
other, so that the report stays a function of its inputs: what the last commit was is no input that
DVC can see.
"""

import base64
import zlib
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, BeforeValidator, PlainSerializer

from tasks.evaluate.metrics import Earlier, Metrics
from tasks.runner.errors import InputError


def _pack(predicted: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(predicted.astype(np.uint8).tobytes(), 9)).decode()


def _unpack(predicted: object) -> object:
    if not isinstance(predicted, str):
        return predicted
    try:
        return np.frombuffer(zlib.decompress(base64.b64decode(predicted)), np.uint8)
    except zlib.error as error:
        raise ValueError(str(error)) from None


class Baseline(BaseModel, extra="forbid", frozen=True, arbitrary_types_allowed=True):
    """The model that the report compares with, small enough for Git.

    Predicted are the classes that it named, (n,) uint8.
    """

    origin: str  # where it was taken from, in words
    metrics: Earlier  # as evaluate wrote them
    predicted: Annotated[np.ndarray, BeforeValidator(_unpack), PlainSerializer(_pack)]

    def is_comparable(self, metrics: Metrics) -> bool:
        """Whether it was judged on the very same test images, labels and classes."""
        return self.metrics.sha256.test_set == metrics.sha256.test_set and [
            row.name for row in self.metrics.classes
        ] == [row.name for row in metrics.classes]


def read_baseline(path: Path) -> Baseline | None:
    """Reads what `pipeline baseline` wrote, refuses else; None if there is no baseline yet."""
    content = path.read_bytes()
    if content.strip() == b"{}":
        return None
    try:
        return Baseline.model_validate_json(content)
    except ValueError as error:
        cause = str(error).splitlines()[0]
        raise InputError(
            f"{path} can't be read ({cause}). Make it anew: pipeline baseline; or do without:"
            f" echo '{{}}' > {path}"
        ) from None
