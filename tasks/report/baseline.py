"""The model that the report compares with: reports/baseline.json.

It is made from a commit by `pipeline baseline`, lies in Git, and is an input of the report like any
other, so that the report stays a function of its inputs: what the last commit was is no input that
DVC can see.
"""

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.evaluate.metrics import Metrics
from tasks.runner.errors import InputError


@dataclass(frozen=True)
class Baseline:
    """The model that the report compares with.

    Attributes:
        origin: where it was taken from, in words.
        metrics: of it.
        predicted: (n,) uint8, the classes that it named.

    """

    origin: str
    metrics: Metrics
    predicted: np.ndarray


def pack_baseline(metrics: Metrics, predicted: np.ndarray, *, origin: str) -> dict[str, object]:
    """What a later report needs to know about a model, small enough for Git.

    Args:
        metrics: as evaluate wrote them.
        predicted: (n,) uint8, the classes that the model named.
        origin: where it was taken from, in words.

    """
    packed = zlib.compress(predicted.astype(np.uint8).tobytes(), 9)
    return {
        "origin": origin,
        "metrics": metrics.model_dump(mode="json"),
        "predicted": base64.b64encode(packed).decode(),
    }


def unpack_predicted(baseline: Mapping[str, Any]) -> np.ndarray:
    """The (n,) uint8 classes that the baseline named."""
    return np.frombuffer(zlib.decompress(base64.b64decode(baseline["predicted"])), np.uint8)


def is_comparable(baseline: Metrics, metrics: Metrics) -> bool:
    """Whether the baseline was judged on the very same test images, labels and classes."""
    return baseline.sha256.test_set == metrics.sha256.test_set and [
        row.name for row in baseline.classes
    ] == [row.name for row in metrics.classes]


def read_baseline(path: Path) -> Baseline | None:
    """Reads what `pipeline baseline` wrote; None if there is no baseline yet.

    Raises:
        InputError: it isn't what `pipeline baseline` writes.

    """
    content = json.loads(path.read_text(encoding="utf-8"))
    if not content:
        return None
    try:
        metrics = Metrics.model_validate_json(json.dumps(content["metrics"]))
        return Baseline(content["origin"], metrics, unpack_predicted(content))
    except (KeyError, ValueError, zlib.error) as error:
        cause = str(error).splitlines()[0]
        raise InputError(
            f"{path} can't be read ({cause}). Make it anew: pipeline baseline; or do without:"
            f" echo '{{}}' > {path}"
        ) from None
