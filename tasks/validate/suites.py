"""What the data must be like: every expectation of the pipeline stands here.

They are ordinary suites of Great Expectations. A broken expectation of severity "critical" stops
the pipeline; one of severity "warning" is reported. In `meta`, `check` names the expectation and
`expected` says in words what it asks for.

Great Expectations counts NaN as missing, not as out of range, and expectations about each row hold
on an empty table; so the first expectations of each suite ask that there is something to look at.
"""

from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe

from tasks.core.dataset import SplitName
from tasks.core.parameters import DataParameters
from tasks.validate.parameters import ValidateParameters


def split_suite(
    split: SplitName, data: DataParameters, limits: ValidateParameters
) -> gx.ExpectationSuite:
    """The arrays as a whole: one row."""
    number = {"train": data.train_images, "test": data.test_images}[split]
    return gx.ExpectationSuite(
        name=f"{split} split",
        expectations=[
            gxe.ExpectColumnValuesToBeBetween(
                column="num_images",
                min_value=number or 1,
                max_value=number,
                **critical("number of images", f"{number:,}" if number else "at least 1"),
            ),
            gxe.ExpectColumnPairValuesToBeEqual(
                column_A="num_images",
                column_B="num_labels",
                **critical("a label for each image", "as many labels as images"),
            ),
            gxe.ExpectColumnValuesToBeInSet(
                column="dtype", value_set=["uint8"], **critical("type of the pixels", "uint8")
            ),
            *(
                gxe.ExpectColumnValuesToBeInSet(
                    column=name, value_set=[size], **critical(name, str(size))
                )
                for name, size in (
                    ("height", data.height),
                    ("width", data.width),
                    ("channels", data.channels),
                )
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="constant_pixels",
                max_value=limits.max_constant_pixels,
                **critical(
                    "pixels with one value in all images",
                    f"at most {limits.max_constant_pixels}, those that are always 0 left out",
                ),
            ),
            gxe.ExpectColumnValuesToNotBeNull(
                column="centroid_recall",
                **critical("labels can be compared with images", "classes with 2 images or more"),
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="centroid_recall",
                min_value=limits.min_centroid_recall,
                **critical(
                    "labels belong to their images",
                    f"at least {limits.min_centroid_recall:.0%} are nearest to their class's mean",
                ),
            ),
        ],
    )


def class_suite(split: SplitName, limits: ValidateParameters) -> gx.ExpectationSuite:
    """The classes of a split: one row each."""
    darkest, brightest = limits.class_brightness
    return gx.ExpectationSuite(
        name=f"{split} classes",
        expectations=[
            gxe.ExpectColumnValuesToBeBetween(
                column="count",
                min_value=1,
                **critical("every class has images", "at least 1"),
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="deviation",
                min_value=-limits.share_tolerance,
                max_value=limits.share_tolerance,
                **critical(
                    "balance: share of each class",
                    f"within {limits.share_tolerance:.1%} of the expected share",
                ),
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="brightness",
                min_value=darkest,
                max_value=brightest,
                **critical("brightness of each class", f"{darkest:g} to {brightest:g}"),
            ),
        ],
    )


def image_suite(
    split: SplitName, data: DataParameters, limits: ValidateParameters
) -> gx.ExpectationSuite:
    """The images of a split: one row each."""
    labels = list(range(len(data.classes)))
    weights = list(limits.expected_shares(data))
    expectations: list[Any] = [
        gxe.ExpectTableRowCountToBeBetween(
            min_value=1, **critical("there are images", "at least 1")
        ),
        gxe.ExpectColumnValuesToNotBeNull(
            column="label", **critical("every image has a label", "no label missing")
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="label",
            value_set=labels,
            **critical("labels within the classes", f"0 to {labels[-1]}"),
        ),
        gxe.ExpectColumnKLDivergenceToBeLessThan(
            column="label",
            partition_object={"values": labels, "weights": weights},
            threshold=limits.max_divergence,
            **critical(
                "balance: divergence from the expected shares",
                f"at most {limits.max_divergence:g} nats",
            ),
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="not_finite",
            value_set=[0],
            **critical("pixels are finite", "no NaN and no infinity"),
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="minimum",
            min_value=limits.pixel_minimum,
            **critical("pixel range: lowest value", f"at least {limits.pixel_minimum}"),
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="maximum",
            max_value=limits.pixel_maximum,
            **critical("pixel range: highest value", f"at most {limits.pixel_maximum}"),
        ),
        gxe.ExpectColumnMaxToBeBetween(
            column="maximum",
            min_value=limits.min_highest,
            **critical("pixel range: in full use", f"some image reaches {limits.min_highest}"),
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="spread",
            min_value=limits.min_spread,
            **critical(
                "no blank or constant image", f"a standard deviation of {limits.min_spread:g}"
            ),
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="zero_share",
            min_value=limits.min_zero_share,
            mostly=1 - limits.max_share_without_zeros,
            **critical(
                "dark background",
                f"{limits.min_zero_share:.0%} of the pixels are 0, in all but"
                f" {limits.max_share_without_zeros:.1%} of the images",
            ),
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="earlier_copies",
            value_set=[0],
            mostly=1 - limits.max_duplicate_share,
            **warning(
                "duplicates within the split",
                _at_most(limits.max_duplicate_share),
            ),
        ),
    ]
    if split == "test":
        expectations.append(
            gxe.ExpectColumnValuesToBeInSet(
                column="training_copies",
                value_set=[0],
                mostly=1 - limits.max_leaked_share,
                **critical(
                    "test images that are training images",
                    _at_most(limits.max_leaked_share),
                ),
            )
        )
    return gx.ExpectationSuite(name=f"{split} images", expectations=expectations)


def critical(check: str, expected: str) -> dict[str, Any]:
    """Stops the pipeline when broken."""
    return {"severity": "critical", "meta": {"check": check, "expected": expected}}


def warning(check: str, expected: str) -> dict[str, Any]:
    """Is reported when broken."""
    return {"severity": "warning", "meta": {"check": check, "expected": expected}}


def _at_most(share: float) -> str:
    return f"at most {100 * share:g}% of the images" if share else "none"
