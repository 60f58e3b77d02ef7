"""The model that the report compares with: reports/baseline.json.

It is made from a commit by `make baseline`, lies in Git, and is an input of the report like any
other, so that the report stays a function of its inputs: what the last commit was is no input that
DVC can see.
"""

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np


def pack_baseline(
    metrics: Mapping[str, Any], predicted: np.ndarray, *, origin: str
) -> dict[str, object]:
    """What a later report needs to know about a model, small enough for Git.

    Args:
        metrics: as evaluate wrote them.
        predicted: (n,) uint8, the classes that the model named.
        origin: where it was taken from, in words.

    """
    packed = zlib.compress(predicted.astype(np.uint8).tobytes(), 9)
    return {
        "origin": origin,
        "metrics": dict(metrics),
        "predicted": base64.b64encode(packed).decode(),
    }


def unpack_predicted(baseline: Mapping[str, Any]) -> np.ndarray:
    """The (n,) uint8 classes that the baseline named."""
    return np.frombuffer(zlib.decompress(base64.b64decode(baseline["predicted"])), np.uint8)


def is_comparable(baseline: Mapping[str, Any], metrics: Mapping[str, Any]) -> bool:
    """Whether the baseline was judged on the very same test images and labels."""
    return all(
        baseline["metrics"]["sha256"][name] == metrics["sha256"][name]
        for name in ("test_images", "test_labels")
    ) and list(baseline["metrics"]["classes"]) == list(metrics["classes"])
