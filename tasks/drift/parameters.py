"""Section drift: how far a batch of images may be from the training images."""

from typing import Annotated

from pydantic import Field

from tasks.core.parameters import Positive, Section


class DriftParameters(Section):
    """How far a batch of images may be from the training images.

    Attributes:
        max_deviation: of a mean, in standard deviations of the training images.
        max_divergence: of the predicted labels, Kullback-Leibler, in nats.
        false_alarms: the share of batches like the training images that may raise any alarm.

    """

    max_deviation: Positive
    max_divergence: Positive
    # Ten thousand samples tell no chance below this.
    false_alarms: Annotated[float, Field(ge=0.001, le=0.5)]
