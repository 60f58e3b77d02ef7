"""From splits to findings: what the stage and its tests share."""

import pandas as pd

from tasks.core.parameters import DataParameters
from tasks.validate.judge import Finding, judge
from tasks.validate.parameters import ValidateParameters
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
    whole = tabulate_splits(splits)
    return classes, judge(whole, classes, images, data=data, limits=limits)


def is_critical(finding: Finding) -> bool:
    """Whether the finding stops the pipeline."""
    return not finding["success"] and finding["severity"] == "critical"
