"""The findings as a page, with the images behind them, for whoever has to mend the data."""

import pandas as pd

from tasks.core.parameters import DataParameters
from tasks.page.images import can_show
from tasks.page.render import make_environment
from tasks.validate.judge import Finding
from tasks.validate.verdict import Splits

_FIRST = 16  # images of a split that are shown where a finding isn't about single images


def render_findings(
    findings: list[Finding],
    splits: Splits,
    suspicious: pd.DataFrame,
    *,
    data: DataParameters,
    num_shown: int,
) -> str:
    """One HTML file without script or outside address, every value escaped.

    Of the suspicious labels, it shows the first `num_shown`.
    """
    environment = make_environment("tasks.validate", splits, classes=data.classes)
    return environment.get_template("findings_page.html.j2").render(
        data_name=data.name,
        findings=findings,
        num_suspicious=len(suspicious),
        suspicious=suspicious[:num_shown].to_dict(orient="records"),
        shown={
            split: min(_FIRST, len(arrays.images))
            for split, arrays in splits.items()
            if can_show(arrays.images) and len(arrays.images)
        },
    )
