"""From splits to findings: what the stage, the proposal and the tests share."""

import pandas as pd

from tasks.core.dataset import ImageSplit
from tasks.core.parameters import DataParameters
from tasks.validate.expectations import OF_CLASSES, OF_IMAGES, OF_LABELS, OF_SPLITS
from tasks.validate.judge import Finding, judge
from tasks.validate.labels import choose_images, find_suspicious_labels
from tasks.validate.parameters import ValidateParameters
from tasks.validate.suspicion import Suspicion, compare_suspicions, count_suspicions
from tasks.validate.tables import Splits, tabulate_classes, tabulate_images, tabulate_splits


def validate(
    splits: Splits, *, data: DataParameters, limits: ValidateParameters
) -> tuple[pd.DataFrame, list[Finding]]:
    """Tabulates and judges the data.

    Returns:
        The table of the classes, and the findings.

    """
    images = tabulate_images(splits)
    classes = tabulate_classes(images, classes=data.classes, shares=limits.expected_shares(data))
    tables = (tabulate_splits(splits), OF_SPLITS), (classes, OF_CLASSES), (images, OF_IMAGES)
    return classes, judge(*tables, data=data, limits=limits)


def validate_labels(
    training: ImageSplit, *, data: DataParameters, limits: ValidateParameters
) -> tuple[pd.DataFrame, list[Finding]]:
    """Looks for wrong labels in data that is sound otherwise.

    Returns:
        The suspicious labels, as `find_suspicious_labels` gives them, and the findings, which there
        are if it is known what was accepted before.

    """
    suspicious, found = look_at_labels(training, num_classes=len(data.classes), seed=limits.seed)
    if limits.accepted_labels is None:
        return suspicious, []
    chances = compare_suspicions(found, limits.accepted_labels).min(axis=0)
    table = pd.DataFrame({"split": "train", "class": data.classes, "chance": chances})
    return suspicious, judge((table, OF_LABELS), data=data, limits=limits)


def look_at_labels(
    training: ImageSplit, *, num_classes: int, seed: int
) -> tuple[pd.DataFrame, Suspicion]:
    """The suspicious labels, and how many there are of each class."""
    suspicious = find_suspicious_labels(
        training.images, training.labels, num_classes=num_classes, seed=seed
    )
    looked_at = training.labels[choose_images(training.labels, num_classes=num_classes, seed=seed)]
    return suspicious, count_suspicions(suspicious, looked_at, num_classes=num_classes)


def is_critical(finding: Finding) -> bool:
    """Whether the finding stops the pipeline."""
    return not finding["success"] and finding["severity"] == "critical"


def describe(finding: Finding) -> str:
    """One line: what was looked at, found and expected, how many rows, the first images."""
    line = (
        f"{finding['split']}: {finding['check']}: found {finding['observed']};"
        f" expected {finding['expected']}"
    )
    indices = ", ".join(str(image["index"]) for image in finding["first_images"])
    return f"{line} (first at {indices})" if indices else line
