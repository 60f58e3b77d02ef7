"""Classifies a source of images, a batch at a time, into a table."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks.images.sources import Images, Source
from tasks.predict.model import Model
from tasks.predict.table import make_schema, open_writer, tabulate

if TYPE_CHECKING:
    from tasks.drift.reference import Reference


@dataclass
class Sample:
    """What drift is judged by: the training images, and a few numbers per image of the batch.

    Attributes:
        reference: what the model's training images are like.
        rows: arrays (m, 5) of brightness, contrast, zero_share, confidence and label.

    """

    reference: "Reference"
    rows: list[np.ndarray] = field(default_factory=list)

    def add(self, pixels: np.ndarray, probabilities: np.ndarray) -> None:
        """Describes (m, height, width, channels) images and their (m, classes) probabilities."""
        # They import pandas, which the predictions alone don't need.
        from tasks.drift.reference import IMAGE_STATISTICS
        from tasks.images.statistics import describe_images

        statistics = describe_images(pixels)[list(IMAGE_STATISTICS.values())].to_numpy()
        predictions = np.stack([probabilities.max(axis=1), probabilities.argmax(axis=1)], axis=1)
        self.rows.append(np.concatenate([statistics, predictions], axis=1))


@dataclass(frozen=True)
class Summary:
    """What was done.

    Attributes:
        num_images: rows of the table.
        num_errors: of them, images that couldn't be used.
        first_errors: of the first few, why.
        version: of the model.
        aside: files that nobody means as images: a line for each kind.

    """

    num_images: int
    num_errors: int
    first_errors: tuple[str, ...]
    version: str
    aside: tuple[str, ...]


_SHOWN = 5


def classify_into(
    output: Path,
    source: Source,
    model: Model,
    *,
    batch_size: int,
    sample: Sample | None,
    on_images: Callable[[int], object],
) -> Summary:
    """Classifies all images of a source into a .parquet or .csv file.

    Args:
        output: the file to write, whole or not at all.
        source: of images that the model takes.
        model: predicts.
        batch_size: images that are held in memory at once.
        sample: receives what drift is judged by; None costs nothing.
        on_images: is told how many images were classified since it was told last.

    Raises:
        InputError: the source is broken, or the output has another ending.

    """
    num_errors = 0
    first_errors: list[str] = []
    with open_writer(output, make_schema(model.classes)) as writer:
        for batch, probabilities in predict_batches(source, model, batch_size):
            errors = [error for error in batch.errors if error is not None]
            num_errors += len(errors)
            first_errors += errors[: _SHOWN - len(first_errors)]
            if sample is not None:
                sample.add(batch.pixels, probabilities)
            writer.write_table(
                tabulate(batch, probabilities, classes=model.classes, version=model.version)
            )
            on_images(len(batch.names))
    return Summary(
        num_images=source.num_images,
        num_errors=num_errors,
        first_errors=tuple(first_errors),
        version=model.version,
        aside=tuple(source.aside.describe()),
    )


def predict_batches(source: Source, model: Model, size: int) -> Iterator[tuple[Images, np.ndarray]]:
    """Yields each batch with the (m, classes) probabilities of its readable images."""
    for batch in source.batches(size):
        yield batch, model.classifier.predict(batch.pixels)


def describe_summary(summary: Summary, output: Path) -> str:
    """How many images were classified, by what, and where the table is."""
    good = summary.num_images - summary.num_errors
    return f"{good:,} of {summary.num_images:,} images → {output}, model {summary.version}"


def describe_errors(summary: Summary) -> Iterator[str]:
    """Why the first images couldn't be used, and how many there are in all."""
    yield from summary.first_errors
    if summary.num_errors > len(summary.first_errors):
        yield f"{summary.num_errors:,} in all, each in its row"
