"""Section gate: what a candidate must be like to become the champion."""

from typing import Annotated, Literal

from pydantic import Field

from tasks.core.parameters import Fraction, Section, Share


class GateParameters(Section):
    """What a candidate must be like to become the champion; null asks for nothing.

    Attributes:
        min_accuracy: of the lower end of the accuracy's interval.
        min_recall: of every class; a lower one is a veto if chance doesn't explain it.
        max_calibration_error: of the expected one, beside what chance adds to it.
        accepts: a candidate that is better than the champion, or also one that isn't worse.
        margin: of the accuracy, that a candidate must be shown not to lose to be called not worse.
        significance: a p-value as low as this is believed.
        max_f1_loss: that a class may lose; a greater loss is a veto if chance doesn't explain it.
        promotes: an accepted candidate at once, or when a person has approved.
        keep: versions, the champion among them.

    """

    min_accuracy: Fraction | None
    min_recall: Fraction | None
    max_calibration_error: Fraction | None
    accepts: Literal["better", "not_worse"]
    margin: Share
    significance: Share
    max_f1_loss: Fraction
    promotes: Literal["automatically", "after_approval"]
    keep: Annotated[int, Field(ge=2)]
