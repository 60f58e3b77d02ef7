"""What is done with a picture on its way to the model: the same in ingest, and in predict.

`ingest` writes it into the manifest of data/raw, `train` into the model's card.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from tasks.core.parameters import Count, DataParameters, Section
from tasks.runner.errors import InputError

SizePolicy = Literal["refuse", "stretch", "fit", "crop"]
Level = Annotated[int, Field(ge=0, le=255)]


class PicturePolicy(Section):
    """What sources of image files state in the section ingest.

    A picture of another size can't be used, is stretched without regard to its proportions, scaled
    until it fits and padded, or scaled until it covers the image and cut to its centre.
    """

    size: SizePolicy
    """of a picture of another size; or refuse, stretch, fit, crop"""
    background: Annotated[tuple[Level, ...], Field(strict=False)] | None
    """behind transparency, and around fit; null refuses transparency"""
    white: Annotated[int, Field(ge=255, le=65535)] | None
    """the value of 16-bit grey that becomes 255; null refuses 16 bits"""

    @field_validator("background")
    @classmethod
    def _check_background(
        cls, background: tuple[int, ...] | None, others: ValidationInfo
    ) -> tuple[int, ...] | None:
        if background is None and others.data.get("size") == "fit":
            raise ValueError("size: fit pads pictures with it; set it, [0, 0, 0] for black")
        if background is not None and len(background) not in (1, 3):
            raise ValueError("Expected one value, or red, green and blue, such as [255, 255, 255]")
        return background


class ImagePolicy(PicturePolicy):
    """What a model takes, in pixels and channels, and what is done with other pictures."""

    height: Count
    width: Count
    channels: Literal[1, 3]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        return self.height, self.width, self.channels

    @classmethod
    def of(cls, data: DataParameters, source: PicturePolicy) -> Self:
        """That of a source of image files."""
        stated = {name: getattr(source, name) for name in PicturePolicy.model_fields}
        background = source.background
        if background is not None and data.channels == 1 and len(set(background)) > 1:
            raise InputError(
                f"ingest.background in params.yaml is the colour {list(background)}; data.channels"
                " 1 expects grey: set one value, such as [255]"
            )
        return cls(height=data.height, width=data.width, channels=data.channels, **stated)

    @classmethod
    def exact(cls, data: DataParameters) -> Self:
        """That of arrays: nothing but images of the very size."""
        return cls.of(data, PicturePolicy(size="refuse", background=None, white=None))


def read_policy(card: dict[str, object], *, name: str) -> ImagePolicy:
    """The policy that a model's card holds under `input`; a card without one is refused."""
    try:
        return ImagePolicy.model_validate(card.get("input"))
    except ValidationError as error:
        raise InputError(
            f"{name} doesn't say what images the model takes ({error.errors()[0]['msg']}); expected"
            f" {', '.join(ImagePolicy.model_fields)} under input. Train the model anew: dvc repro"
        ) from None
