"""Section predict: how images that come from outside are classified."""

from typing import Literal

from tasks.core.parameters import Count, Section


class PredictParameters(Section):
    """How images that come from outside are classified."""

    resize: Literal["refuse", "stretch"]
    batch_size: Count
    threads: Count
