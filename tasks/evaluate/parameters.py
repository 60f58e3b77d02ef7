"""Section evaluate: how the test result is stated."""

from tasks.core.parameters import Count, Section, Share


class EvaluateParameters(Section):
    """How the test result is stated."""

    confidence: Share
    calibration_bins: Count
