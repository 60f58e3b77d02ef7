"""Section drift: how far a batch of images may be from the training images."""

from tasks.core.parameters import Positive, Section


class DriftParameters(Section):
    """How far a batch of images may be from the training images."""

    max_deviation: Positive
    max_divergence: Positive
    sampling_deviations: Positive
