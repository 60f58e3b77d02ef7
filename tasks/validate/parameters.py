"""Section validate: what the data must be like."""

from typing import Annotated, Self

import numpy as np
from pydantic import Field, NonNegativeInt, model_validator

from tasks.core.parameters import Count, DataParameters, Fraction, Positive, Section, Seed, Share
from tasks.runner.errors import InputError

Brightness = Annotated[float, Field(ge=0, le=255)]


class Suspicion(Section):
    """How many labels are suspicious, of each class, in the order of the classes."""

    images: list[NonNegativeInt]  # that were looked at
    suspected: list[NonNegativeInt]  # of these, images that look like another class
    suggested: list[NonNegativeInt]  # images of other classes that look like this one
    surely_suspected: list[NonNegativeInt]  # of the suspected, those hardly of their own class
    surely_suggested: list[NonNegativeInt]  # of the suggested, those hardly of their own class

    @model_validator(mode="after")
    def _check_counts(self) -> Self:
        columns = list(self.model_dump().values())
        if len({len(column) for column in columns}) > 1:
            raise ValueError("its lists have different lengths; expected a number for each class")
        images, suspected, suggested, *surely = map(np.array, columns)
        limits = (suspected, images), (suggested, images.sum() - images)
        limits += tuple(zip(surely, (suspected, suggested), strict=True))
        if any((part > whole).any() for part, whole in limits):
            raise ValueError("more images are suspicious than there are, or surely so than at all")
        return self


class ValidateParameters(Section):
    """What the data must be like before anything is trained on it."""

    shares: Annotated[tuple[Share, ...], Field(strict=False)] | None
    share_tolerance: Share
    max_divergence: Positive
    pixel_minimum: Annotated[int, Field(ge=0, le=255)]
    pixel_maximum: Annotated[int, Field(ge=0, le=255)]
    min_highest: Annotated[int, Field(ge=0, le=255)]
    max_constant_pixels: Annotated[int, Field(ge=0)]
    min_spread: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    min_zero_share: Fraction
    max_share_without_zeros: Fraction
    class_brightness: Annotated[tuple[Brightness, Brightness], Field(strict=False)]
    max_duplicate_share: Fraction
    max_leaked_share: Fraction
    min_centroid_recall: Fraction
    accepted_labels: Suspicion | None
    label_significance: Share
    shown_labels: Count
    seed: Seed

    def accepted_suspicion(self, data: DataParameters) -> Suspicion | None:
        """What `accepted_labels` says of the classes that there are."""
        accepted, num_classes = self.accepted_labels, len(data.classes)
        if accepted and len(accepted.images) != num_classes:
            raise InputError(
                f"params.yaml: validate.accepted_labels is about {len(accepted.images)} classes;"
                f" data.classes has {num_classes}. Take it from a new proposal, or set it to null"
            )
        return accepted

    def expected_shares(self, data: DataParameters) -> tuple[float, ...]:
        """The share of each class that is expected: even if none is stated."""
        num_classes = len(data.classes)
        if self.shares is None:
            return (1 / num_classes,) * num_classes
        if len(self.shares) != num_classes:
            raise InputError(
                f"params.yaml: validate.shares has {len(self.shares)} values for {num_classes}"
                " classes. Give one for each class, or null."
            )
        if abs(sum(self.shares) - 1) > 1e-5:
            raise InputError(
                f"params.yaml: validate.shares sums to {sum(self.shares):g}; expected 1."
            )
        return self.shares
