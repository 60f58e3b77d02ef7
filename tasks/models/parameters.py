"""Section gate: what a candidate must be like to become the champion."""

from typing import Annotated

from pydantic import Field

from tasks.core.parameters import Fraction, Section, Share


class GateParameters(Section):
    """What a candidate must be like to become the champion; null asks for nothing."""

    min_accuracy: Fraction | None
    min_recall: Fraction | None
    max_calibration_error: Fraction | None
    significance: Share
    max_f1_loss: Fraction
    keep: Annotated[int, Field(ge=2)]
