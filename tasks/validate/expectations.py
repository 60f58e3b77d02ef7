"""What the data must be like: every expectation of the pipeline is one entry here.

An entry names what is looked at, measures it as a column of one of three tables (a row per split,
per class, per image), names the rule by which Great Expectations judges the column, and says it in
words. Its limit is a parameter of the section validate.

Great Expectations counts NaN as missing, not as out of range, and rules about each row hold on an
empty table; so the first expectations of each table ask that there is something to look at.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from tasks.core.dataset import SplitName
from tasks.core.parameters import DataParameters
from tasks.validate.measures import count_constant_pixels, measure_centroid_recall
from tasks.validate.parameters import ValidateParameters

Severity = Literal["critical", "warning"]
Rule = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Asked:
    """What a limit depends on: the split that is judged, and the parameters."""

    split: SplitName
    data: DataParameters
    limits: ValidateParameters

    @property
    def num_images(self) -> int | None:
        """How many images the split is declared to have."""
        return self.data.train_images if self.split == "train" else self.data.test_images


@dataclass(frozen=True)
class Expectation:
    """One expectation.

    Attributes:
        check: what is looked at, in words; it names the expectation.
        column: where its values stand in the table.
        rule: a rule of Great Expectations and its limits.
        expected: what it asks for, in words.
        measure: gives the column, unless its table has it anyhow: of a split from its arrays and
            those of training, of a class from the rows of its images, of images from their pixels,
            their rows and the rows of the training images.
        severity: "critical" stops the pipeline when broken, "warning" is reported.
        splits: whose images are asked.

    """

    check: str
    column: str
    rule: Callable[[Asked], Rule]
    expected: Callable[[Asked], str]
    measure: Callable[..., Any] | None = None
    severity: Severity = "critical"
    splits: tuple[SplitName, ...] = ("train", "test")


def _between(low: float | None = None, high: float | None = None, *, mostly: float = 1) -> Rule:
    limits = {"min_value": low, "max_value": high, "mostly": mostly}
    return "ExpectColumnValuesToBeBetween", limits


def _in_set(*values: object, mostly: float = 1) -> Rule:
    return "ExpectColumnValuesToBeInSet", {"value_set": list(values), "mostly": mostly}


def _not_null() -> Rule:
    return "ExpectColumnValuesToNotBeNull", {}


def _at_most(share: float) -> str:
    return f"at most {100 * share:g}% of the images" if share else "none"


def _size(name: str, axis: int) -> Expectation:
    return Expectation(
        name,
        name,
        rule=lambda asked: _in_set(getattr(asked.data, name)),
        expected=lambda asked: str(getattr(asked.data, name)),
        measure=lambda split, _: split.images.shape[axis] if split.images.ndim == 4 else -1,
    )


OF_SPLITS = (
    Expectation(
        "number of images",
        "num_images",
        rule=lambda asked: _between(asked.num_images or 1, asked.num_images),
        expected=lambda asked: f"{asked.num_images:,}" if asked.num_images else "at least 1",
        measure=lambda split, _: len(split.images),
    ),
    Expectation(
        "a label for each image",
        "images_without_label",
        rule=lambda _: _in_set(0),
        expected=lambda _: "as many labels as images",
        measure=lambda split, _: len(split.images) - len(split.labels),
    ),
    Expectation(
        "type of the pixels",
        "dtype",
        rule=lambda _: _in_set("uint8"),
        expected=lambda _: "uint8",
        measure=lambda split, _: str(split.images.dtype),
    ),
    _size("height", 1),
    _size("width", 2),
    _size("channels", 3),
    Expectation(
        "pixels with one value in all images",
        "constant_pixels",
        rule=lambda asked: _between(high=asked.limits.max_constant_pixels),
        expected=lambda asked: (
            f"at most {asked.limits.max_constant_pixels}, those that are always 0 left out"
        ),
        measure=lambda split, _: count_constant_pixels(split.images),
    ),
    Expectation(
        "labels can be compared with images",
        "centroid_recall",
        rule=lambda _: _not_null(),
        expected=lambda _: "classes with 2 images or more",
        measure=measure_centroid_recall,
    ),
    Expectation(
        "labels belong to their images",
        "centroid_recall",
        rule=lambda asked: _between(asked.limits.min_centroid_recall),
        expected=lambda asked: (
            f"at least {asked.limits.min_centroid_recall:.0%} are nearest to their class's mean"
        ),
    ),
)

OF_CLASSES = (
    Expectation(
        "every class has images",
        "count",
        rule=lambda _: _between(1),
        expected=lambda _: "at least 1",
    ),
    Expectation(
        "balance: share of each class",
        "deviation",
        rule=lambda asked: _between(-asked.limits.share_tolerance, asked.limits.share_tolerance),
        expected=lambda asked: f"within {asked.limits.share_tolerance:.1%} of the expected share",
    ),
    Expectation(
        "brightness of each class",
        "brightness",
        rule=lambda asked: _between(*asked.limits.class_brightness),
        expected=lambda asked: "{:g} to {:g}".format(*asked.limits.class_brightness),
        measure=lambda rows: rows["mean"].mean(),
    ),
)

OF_IMAGES = (
    Expectation(
        "there are images",
        "index",
        rule=lambda _: ("ExpectTableRowCountToBeBetween", {"min_value": 1}),
        expected=lambda _: "at least 1",
    ),
    Expectation(
        "every image has a label",
        "label",
        rule=lambda _: _not_null(),
        expected=lambda _: "no label missing",
    ),
    Expectation(
        "labels within the classes",
        "label",
        rule=lambda asked: _in_set(*range(len(asked.data.classes))),
        expected=lambda asked: f"0 to {len(asked.data.classes) - 1}",
    ),
    Expectation(
        "balance: divergence from the expected shares",
        "label",
        rule=lambda asked: (
            "ExpectColumnKLDivergenceToBeLessThan",
            {
                "partition_object": {
                    "values": list(range(len(asked.data.classes))),
                    "weights": list(asked.limits.expected_shares(asked.data)),
                },
                "threshold": asked.limits.max_divergence,
            },
        ),
        expected=lambda asked: f"at most {asked.limits.max_divergence:g} nats",
    ),
    Expectation(
        "pixels are finite",
        "not_finite",
        rule=lambda _: _in_set(0),
        expected=lambda _: "no NaN and no infinity",
    ),
    Expectation(
        "pixel range: lowest value",
        "minimum",
        rule=lambda asked: _between(asked.limits.pixel_minimum),
        expected=lambda asked: f"at least {asked.limits.pixel_minimum}",
    ),
    Expectation(
        "pixel range: highest value",
        "maximum",
        rule=lambda asked: _between(high=asked.limits.pixel_maximum),
        expected=lambda asked: f"at most {asked.limits.pixel_maximum}",
    ),
    Expectation(
        "pixel range: in full use",
        "maximum",
        rule=lambda asked: (
            "ExpectColumnMaxToBeBetween",
            {"min_value": asked.limits.min_highest},
        ),
        expected=lambda asked: f"some image reaches {asked.limits.min_highest}",
    ),
    Expectation(
        "no blank or constant image",
        "spread",
        rule=lambda asked: _between(asked.limits.min_spread),
        expected=lambda asked: f"a standard deviation of {asked.limits.min_spread:g}",
    ),
    Expectation(
        "dark background",
        "zero_share",
        rule=lambda asked: _between(
            asked.limits.min_zero_share, mostly=1 - asked.limits.max_share_without_zeros
        ),
        expected=lambda asked: (
            f"{asked.limits.min_zero_share:.0%} of the pixels are 0, in all but"
            f" {asked.limits.max_share_without_zeros:.1%} of the images"
        ),
    ),
    Expectation(
        "duplicates within the split",
        "earlier_copies",
        rule=lambda asked: _in_set(0, mostly=1 - asked.limits.max_duplicate_share),
        expected=lambda asked: _at_most(asked.limits.max_duplicate_share),
        measure=lambda _, rows, __: rows.groupby("content").cumcount(),
        severity="warning",
    ),
    Expectation(
        "test images that are training images",
        "training_copies",
        rule=lambda asked: _in_set(0, mostly=1 - asked.limits.max_leaked_share),
        expected=lambda asked: _at_most(asked.limits.max_leaked_share),
        measure=lambda _, rows, training: rows["content"].isin(training["content"]).astype(int),
        splits=("test",),
    ),
)
