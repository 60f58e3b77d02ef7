"""Section predict: how images that come from outside are classified."""

from tasks.core.parameters import Count, Section


class PredictParameters(Section):
    """How images that come from outside are classified."""

    batch_size: Count
    part_size: Count
    threads: Count
