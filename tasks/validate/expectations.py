"""What the data must be like: every expectation of the pipeline is one entry here.

An entry names what is looked at, measures it as a column of one of three tables (a row per split,
per class, per image), gives the limits by which Great Expectations judges the column, and says them
in words. A limit is a number, or the name of a parameter of the sections validate and data.

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


@dataclass(frozen=True)
class Expectation:
    """One expectation, named by what is looked at.

    Attributes:
        column: where its values stand in the table.
        expected: what it asks for, in words with the names of parameters.
        measure: gives the column, unless its table has it anyhow: of a split from its arrays and
            those of training, of a class from the rows of its images, of images from their rows and
            the rows of the training images.
        low: the lowest value that is allowed; high, the highest.
        apart: the share of the rows that may lie outside.
        values: what is allowed where that is no range.
        rule: of Great Expectations, if no row may lie outside a range.
        severity: "critical" stops the pipeline when broken, "warning" is reported.
        splits: whose images are asked.

    """

    check: str
    column: str
    expected: str
    measure: Callable[..., Any] | None = None
    low: float | str | None = None
    high: float | str | None = None
    apart: str | None = None
    values: list[str] | None = None
    rule: str = "ExpectColumnValuesToBeBetween"
    severity: Severity = "critical"
    splits: tuple[SplitName, ...] = ("train", "test")


def name_limits(
    split: SplitName, data: DataParameters, limits: ValidateParameters
) -> dict[str, Any]:
    """The values of the names that entries use: those of the parameters, and what follows."""
    declared = data.train_images if split == "train" else data.test_images
    return {
        **data.model_dump(),
        **limits.model_dump(),
        "fewest": declared or 1,
        "most": declared,
        "declared": f"{declared:,}" if declared else "at least 1",
        "last_label": len(data.classes) - 1,
        "shares": limits.expected_shares(data),
        "duplicates": _at_most(limits.max_duplicate_share),
        "leaked": _at_most(limits.max_leaked_share),
    }


def _at_most(share: float) -> str:
    return f"at most {100 * share:g}% of the images" if share else "none"


def _size(name: str, axis: int) -> Expectation:
    def measure(split: Any, _: Any) -> int:
        return split.images.shape[axis] if split.images.ndim == 4 else -1

    return Expectation(name, name, f"{{{name}}}", measure, low=name, high=name)


OF_SPLITS = (
    Expectation(
        "number of images",
        "num_images",
        "{declared}",
        lambda split, _: len(split.images),
        low="fewest",
        high="most",
    ),
    Expectation(
        "a label for each image",
        "images_without_label",
        "as many labels as images",
        lambda split, _: len(split.images) - len(split.labels),
        low=0,
        high=0,
    ),
    Expectation(
        "type of the pixels",
        "dtype",
        "uint8",
        lambda split, _: str(split.images.dtype),
        values=["uint8"],
        rule="ExpectColumnValuesToBeInSet",
    ),
    _size("height", 1),
    _size("width", 2),
    _size("channels", 3),
    Expectation(
        "pixels with one value in all images",
        "constant_pixels",
        "at most {max_constant_pixels}, those that are always 0 left out",
        lambda split, _: count_constant_pixels(split.images),
        high="max_constant_pixels",
    ),
    Expectation(
        "labels can be compared with images",
        "centroid_recall",
        "classes with 2 images or more",
        measure_centroid_recall,
        rule="ExpectColumnValuesToNotBeNull",
    ),
    Expectation(
        "labels belong to their images",
        "centroid_recall",
        "at least {min_centroid_recall:.0%} are nearest to their class's mean",
        low="min_centroid_recall",
    ),
)

OF_CLASSES = (
    Expectation("every class has images", "count", "at least 1", low=1),
    Expectation(
        "balance: share of each class",
        "deviation",
        "within {share_tolerance:.1%} of the expected share",
        high="share_tolerance",
    ),
    Expectation(
        "brightness of each class",
        "brightness",
        "{class_brightness[0]:g} to {class_brightness[1]:g}",
        lambda rows: rows["mean"].mean(),
        low="class_brightness[0]",
        high="class_brightness[1]",
    ),
)

OF_LABELS = (
    Expectation(
        "labels are as credible as those of the accepted data",
        "chance",
        "no more suspicious labels than chance explains ({label_significance:g})",
        low="label_significance",
        splits=("train",),
    ),
)

OF_IMAGES = (
    Expectation("there are images", "", "at least 1", low=1, rule="ExpectTableRowCountToBeBetween"),
    Expectation(
        "every image has a label", "label", "no label missing", rule="ExpectColumnValuesToNotBeNull"
    ),
    Expectation(
        "labels within the classes", "label", "0 to {last_label}", low=0, high="last_label"
    ),
    Expectation(
        "balance: divergence from the expected shares",
        "label",
        "at most {max_divergence:g} nats",
        high="max_divergence",
        rule="ExpectColumnKLDivergenceToBeLessThan",
    ),
    Expectation("pixels are finite", "not_finite", "no NaN and no infinity", high=0),
    Expectation(
        "pixel range: lowest value", "minimum", "at least {pixel_minimum}", low="pixel_minimum"
    ),
    Expectation(
        "pixel range: highest value", "maximum", "at most {pixel_maximum}", high="pixel_maximum"
    ),
    Expectation(
        "pixel range: in full use",
        "maximum",
        "some image reaches {min_highest}",
        low="min_highest",
        rule="ExpectColumnMaxToBeBetween",
    ),
    Expectation(
        "no blank or constant image",
        "spread",
        "a standard deviation of {min_spread:g}",
        low="min_spread",
    ),
    Expectation(
        "dark background",
        "zero_share",
        "{min_zero_share:.0%} of the pixels are 0, in all but {max_share_without_zeros:.1%} of the"
        " images",
        low="min_zero_share",
        apart="max_share_without_zeros",
    ),
    Expectation(
        "duplicates within the split",
        "earlier_copies",
        "{duplicates}",
        lambda rows, _: rows.groupby("content").cumcount(),
        high=0,
        apart="max_duplicate_share",
        severity="warning",
    ),
    Expectation(
        "test images that are training images",
        "training_copies",
        "{leaked}",
        lambda rows, training: rows["content"].isin(training["content"]).astype(int),
        high=0,
        apart="max_leaked_share",
        splits=("test",),
    ),
)
