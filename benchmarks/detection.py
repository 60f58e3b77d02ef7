"""Finds the smallest amount of each corruption that validation catches, on the real data.

    python -m benchmarks.detection

writes the table into docs/validation.md. The data must have been ingested. Takes some minutes; no
figure depends on the machine.
"""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
from tqdm import tqdm

from benchmarks.corruptions import ALIGNED, BALANCE, CORRUPTIONS, Corruption, Splits
from benchmarks.pages import fill
from tasks.core.dataset import ImageSplit, load_split
from tasks.validate.expectations import OF_LABELS
from tasks.validate.judge import Finding, is_critical
from tasks.validate.labels import look_at_labels
from tasks.validate.parameters import ValidateParameters
from tasks.validate.verdict import validate, validate_labels
from workspace.check import check_parameters

_STEPS = 9
_ONE_IMAGE = 1 / 60_000


def main() -> None:
    """Writes a Markdown table."""
    parameters = SimpleNamespace(**check_parameters())
    splits: Splits = {name: _in_memory(load_split(name)) for name in ("train", "test")}
    parameters.validate = accept_labels(splits["train"], parameters)
    rows = ["| corruption | caught by | severity | smallest amount caught |", "|---|---|---|---|"]
    for corruption in tqdm(CORRUPTIONS, unit="corruption", disable=None):
        amount = "all or nothing"
        finding = find(corruption, 1.0, splits, parameters)
        if finding and corruption.amount:
            share = smallest(corruption, splits, parameters)
            finding = find(corruption, share, splits, parameters)
            amount = describe_share(share, corruption.amount)
        if finding is None:
            rows.append(f"| {corruption.name} | nothing | | |")
            continue
        rows.append(
            f"| {corruption.name} | {finding['check']} | {finding['severity']} | {amount} |"
        )
    fill(Path("docs/validation.md"), "detection", "\n".join(rows))


def accept_labels(training: ImageSplit, parameters: SimpleNamespace) -> ValidateParameters:
    """The limits, with the suspicious labels of the clean data as what was accepted."""
    data, limits = parameters.data, parameters.validate
    _, accepted = look_at_labels(training, num_classes=len(data.classes), seed=limits.seed)
    return limits.model_copy(update={"accepted_labels": accepted})


def find(
    corruption: Corruption, amount: float, splits: Splits, parameters: SimpleNamespace
) -> Finding | None:
    """The finding that names the corruption, if that much of it is found."""
    changed = corruption.change(splits, amount, np.random.default_rng(0))
    data = parameters.data
    if corruption.check != "number of images":
        # Without declared counts, so that each corruption has to be seen for itself.
        data = data.model_copy(update={"train_images": None, "test_images": None})
    _, findings = validate(changed, data=data, limits=parameters.validate)
    checks = {corruption.check}
    if corruption.check in (ALIGNED, BALANCE):
        checks |= {expectation.check for expectation in OF_LABELS}
        if not any(is_critical(finding) for finding in findings):
            _, found = validate_labels(changed["train"], data=data, limits=parameters.validate)
            findings += found
    named = [
        finding for finding in findings if not finding["success"] and finding["check"] in checks
    ]
    return (named or [None])[0]


def smallest(corruption: Corruption, splits: Splits, parameters: SimpleNamespace) -> float:
    """Bisects, on a logarithmic scale, from one image in 60,000 to all."""
    low, high = _ONE_IMAGE, 1.0
    if find(corruption, low, splits, parameters):
        return low
    for _ in range(_STEPS):
        middle = (low * high) ** 0.5
        if find(corruption, middle, splits, parameters):
            high = middle
        else:
            low = middle
    return high


def describe_share(share: float, whole: str) -> str:
    """The share in words."""
    return "one image" if share <= _ONE_IMAGE else f"{share:.2%} {whole}"


def _in_memory(split: ImageSplit) -> ImageSplit:
    return ImageSplit(np.array(split.images), np.array(split.labels))


if __name__ == "__main__":
    main()
