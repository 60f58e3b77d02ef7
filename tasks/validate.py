"""Stage validate: stops the pipeline, in words, when the data went wrong.

    python -m tasks.validate

Two small tables are made from the images, one row per image and one row per split and class, and
Great Expectations judges them. The verdict is reports/validation.json, which `prepare` depends on.
"""

import os
from collections.abc import Iterator
from typing import Any, Literal, TypedDict

import numpy as np
import pandas as pd

from tasks import paths
from tasks.dataset import ImageSplit, SplitName, load_split
from tasks.errors import InputError
from tasks.files import write_json
from tasks.parameters import DataParameters, ValidateParameters, load_parameters
from tasks.stage import run_stage

_CHUNK = 8192


class Finding(TypedDict):
    """One expectation and what was found."""

    name: str
    expected: str
    observed: str
    severity: Literal["critical", "warning"]
    success: bool
    unexpected_count: int
    first_indices: list[int]


def main() -> None:
    """Load, judge, save; fail if a critical expectation is broken."""
    parameters = load_parameters()
    splits: dict[SplitName, ImageSplit] = {name: load_split(name) for name in ("train", "test")}
    images = pd.concat(
        [describe_images(split, split_name=name) for name, split in splits.items()],
        ignore_index=True,
    )
    counts = count_classes(images, classes=parameters.data.classes)
    findings = judge(images, counts, data=parameters.data, limits=parameters.validate_)
    broken = [finding for finding in findings if not finding["success"]]
    critical = [finding for finding in broken if finding["severity"] == "critical"]
    content = {
        "success": not critical,
        "counts": counts.to_dict(orient="records"),
        "findings": findings,
    }
    write_json(paths.VALIDATION, content)
    if critical:
        lines = [_describe(finding) for finding in critical]
        raise InputError("\n".join([*lines, "Mend the data, then run: dvc repro"]))
    print(f"{len(findings) - len(broken)} of {len(findings)} expectations hold", flush=True)
    for finding in broken:
        print(f"warning: {_describe(finding)}", flush=True)


def describe_images(split: ImageSplit, *, split_name: str) -> pd.DataFrame:
    """One row per image.

    Args:
        split: images (n, height, width, channels) uint8 and labels (n,).
        split_name: goes into the column `split`.

    Returns:
        A frame of n rows: split, index, label, minimum, maximum, mean, spread, zero_share.

    """
    chunks = list(_describe_chunks(split.images))
    frame = pd.DataFrame(np.concatenate(chunks), columns=list(_STATISTICS))
    frame.insert(0, "split", split_name)
    frame.insert(1, "index", np.arange(len(split.labels)))
    frame.insert(2, "label", split.labels.astype(np.int64))
    return frame


_STATISTICS = ("minimum", "maximum", "mean", "spread", "zero_share")


def _describe_chunks(images: np.ndarray) -> Iterator[np.ndarray]:
    if len(images) == 0:
        yield np.empty((0, len(_STATISTICS)))
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK].reshape(-1, images[0].size)
        pixels = chunk.astype(np.float32)
        yield np.stack(
            [
                chunk.min(axis=1),
                chunk.max(axis=1),
                pixels.mean(axis=1),
                pixels.std(axis=1),
                (chunk == 0).mean(axis=1),
            ],
            axis=1,
        )


def count_classes(images: pd.DataFrame, *, classes: tuple[str, ...]) -> pd.DataFrame:
    """One row per split and class: split, label, class, count, share; absent classes count 0."""
    rows = []
    for split, group in images.groupby("split", sort=False):
        counts = group["label"].value_counts()
        for label, name in enumerate(classes):
            count = int(counts.get(label, 0))
            rows.append((split, label, name, count, count / len(group)))
    return pd.DataFrame(rows, columns=["split", "label", "class", "count", "share"])


def judge(
    images: pd.DataFrame,
    counts: pd.DataFrame,
    *,
    data: DataParameters,
    limits: ValidateParameters,
) -> list[Finding]:
    """Runs the suites of both tables with Great Expectations.

    Args:
        images: as `describe_images` gives it, all splits.
        counts: as `count_classes` gives it.

    Returns:
        One finding per expectation, in the order of the suites.

    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    import great_expectations.expectations as gxe

    critical: Any = {"severity": "critical"}
    numbers = {"train": data.train_images, "test": data.test_images}
    even = 1 / len(data.classes)
    labels = list(range(len(data.classes)))
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}  # pyright: ignore[reportAttributeAccessIssue]
    source = context.data_sources.add_pandas("memory")

    findings = []
    for split in ("train", "test"):
        table = images[images["split"] == split]
        shares = counts[counts["split"] == split]
        number = numbers[split]
        suites = [
            (
                table,
                [
                    gxe.ExpectTableRowCountToBeBetween(
                        min_value=number or 1, max_value=number, **critical
                    ),
                    gxe.ExpectColumnValuesToNotBeNull(column="label", **critical),
                    gxe.ExpectColumnValuesToBeInSet(column="label", value_set=labels, **critical),
                    gxe.ExpectColumnKLDivergenceToBeLessThan(
                        column="label",
                        partition_object={"values": labels, "weights": [even] * len(labels)},
                        threshold=limits.max_divergence,
                        **critical,
                    ),
                    gxe.ExpectColumnValuesToBeBetween(
                        column="minimum", min_value=limits.pixel_minimum, **critical
                    ),
                    gxe.ExpectColumnValuesToBeBetween(
                        column="maximum", max_value=limits.pixel_maximum, **critical
                    ),
                    gxe.ExpectColumnMaxToBeBetween(
                        column="maximum",
                        min_value=limits.pixel_maximum,
                        max_value=limits.pixel_maximum,
                        **critical,
                    ),
                    gxe.ExpectColumnValuesToBeBetween(
                        column="spread", min_value=limits.min_spread, **critical
                    ),
                ],
            ),
            (
                shares,
                [
                    gxe.ExpectColumnValuesToBeBetween(
                        column="share",
                        min_value=even - limits.share_tolerance,
                        max_value=even + limits.share_tolerance,
                        **critical,
                    ),
                ],
            ),
        ]
        for number_of_suite, (frame, expectations) in enumerate(suites):
            asset = source.add_dataframe_asset(f"{split}-{number_of_suite}")
            definition = asset.add_batch_definition_whole_dataframe("whole")
            batch = definition.get_batch({"dataframe": frame})
            for expectation in expectations:
                result = batch.validate(expectation)
                findings.append(_finding(split, frame, expectation, result.to_json_dict()))
    return findings


def _finding(split: str, frame: pd.DataFrame, expectation: Any, result: Any) -> Finding:
    """Turns a result of Great Expectations into plain values without times and run ids."""
    settings = expectation.dict(exclude_none=True)
    column = settings.get("column")
    found = result.get("result", {})
    positions = (found.get("partial_unexpected_index_list") or [])[:5]
    observed = found.get("observed_value")
    if observed is None:
        values = found.get("partial_unexpected_list") or []
        observed = ", ".join(f"{value:g}" for value in values[:5]) or "as expected"
    # On an empty frame, expectations about each row pass: nothing was seen, so nothing holds.
    success = bool(result["success"]) and len(frame) > 0
    return Finding(
        name=f"{split}: {column or 'rows'}: {result['expectation_config']['type']}",
        expected=", ".join(
            f"{key} {settings[key]}"
            for key in ("min_value", "max_value", "value_set", "threshold")
            if key in settings
        )
        or "a value in each row",
        observed=f"{observed:.6g}" if isinstance(observed, float) else str(observed),
        severity=settings["severity"],
        success=success,
        unexpected_count=int(found.get("unexpected_count") or 0),
        first_indices=[int(position) for position in positions],
    )


def _describe(finding: Finding) -> str:
    where = f", first at {finding['first_indices']}" if finding["first_indices"] else ""
    return (
        f"{finding['name']}: found {finding['observed']}; expected {finding['expected']}"
        f" ({finding['unexpected_count']} rows{where})"
    )


if __name__ == "__main__":
    run_stage("validate", main)
