"""Section sweep: which variants of the recipe are tried, and how they are judged."""

import difflib
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from tasks.core.parameters import Count, Section, Seed
from tasks.prepare.parameters import PrepareParameters
from tasks.train.parameters import TrainParameters

SECTIONS: dict[str, type[Section]] = {"prepare": PrepareParameters, "train": TrainParameters}
# The seeds have a key of their own; a file of networks may hold many.
_FIXED = {"train.seed", "train.network_file"}


class Range(Section):
    """Numbers from low to high; whole ones where both are whole."""

    low: int | float
    high: int | float
    log: bool

    @model_validator(mode="after")
    def _is_a_range(self) -> "Range":
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError("Expected low < high, and 0 < low where log is true")
        return self


Values = Annotated[tuple[bool | int | float | str | None, ...], Field(min_length=1, strict=False)]


class SweepParameters(Section):
    """Which variants of the recipe are tried, and how they are judged."""

    search: Annotated[dict[str, Range | Values], Field(min_length=1)]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1, strict=False)]
    trials: Count | None
    at_once: Count
    choose_by: Literal["accuracy", "loss"]
    first_rung: Count | None
    reduction: Annotated[int, Field(ge=2)]
    seed: Seed

    @field_validator("search")
    @classmethod
    def _names_keys(cls, search: dict[str, Any]) -> dict[str, Any]:
        known = {f"{name}.{key}" for name, kind in SECTIONS.items() for key in kind.model_fields}
        for key in search:
            if key not in known - _FIXED:
                close = difflib.get_close_matches(key, known - _FIXED, n=1, cutoff=0)[0]
                raise ValueError(f"{key!r} can't be searched. Allowed is, for instance, {close}")
        return search

    @field_validator("seeds")
    @classmethod
    def _are_different(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("Expected seeds that differ: the same one gives the same training")
        return seeds

    @model_validator(mode="after")
    def _has_an_end(self) -> "SweepParameters":
        if self.trials is None and any(isinstance(part, Range) for part in self.search.values()):
            raise ValueError("With trials: null, every key of search needs a list of values")
        return self

    def values(self, key: str) -> list[Any]:
        """The values of a key, or both ends of its range; none where it isn't searched."""
        part = self.search.get(key, ())
        return [part.low, part.high] if isinstance(part, Range) else list(part)

    def rungs(self, epochs: int) -> list[int | None]:
        """The epochs after which trials are judged; None is their end."""
        rungs, rung = [], self.first_rung
        while rung is not None and rung < epochs:
            rungs.append(rung)
            rung *= self.reduction
        return [*rungs, None]
