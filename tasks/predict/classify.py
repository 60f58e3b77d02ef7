"""Classifies a source of images, a batch at a time, into a table."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.images.errors import Tally
from tasks.images.sources import Source
from tasks.predict.images import Listing
from tasks.predict.model import Model
from tasks.predict.table import make_schema, open_writer, read_note, tabulate, write_note

if TYPE_CHECKING:
    from tasks.drift.batch import Batch

_SHOWN = 5


@dataclass(frozen=True)
class Summary:
    """What was done, in a table or in several.

    Attributes:
        num_images: rows of the table.
        num_errors: of them, images that couldn't be used.
        first_errors: of the first few, why.
        batch: what the others are like, if that was asked for.

    """

    num_images: int
    num_errors: int
    first_errors: tuple[str, ...]
    batch: "Batch | None"

    def __add__(self, other: "Summary") -> "Summary":
        return Summary(
            self.num_images + other.num_images,
            self.num_errors + other.num_errors,
            (*self.first_errors, *other.first_errors)[:_SHOWN],
            self.batch + other.batch if self.batch and other.batch else None,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values, which `read_summary` reads."""
        return {**vars(self), "batch": self.batch and self.batch.to_json()}


def classify_into(
    output: Path,
    source: Listing | Source,
    model: Model,
    *,
    batch_size: int,
    measure: bool,
    on_images: Callable[[int], object] = lambda _: None,
) -> Summary:
    """Classifies all images of a source into a .parquet or .csv file.

    Args:
        output: the file to write, whole or not at all.
        batch_size: images that are held in memory at once.
        measure: whether the images are described, so that drift can be judged.
        on_images: is told how many images were classified since it was told last.

    Raises:
        InputError: the source is broken, or the output has another ending.

    """
    total: Summary | None = None
    with open_writer(output, make_schema(model.classes)) as writer:
        for images in source.batches(batch_size):
            probabilities = model.classifier.predict(images.pixels)
            errors = [error for error in images.errors if error is not None]
            found = Summary(len(images.names), len(errors), tuple(errors[:_SHOWN]), None)
            if measure:
                # Imports pandas, which the predictions alone don't need.
                from tasks.drift.batch import describe_batch

                found = replace(found, batch=describe_batch(images.pixels, probabilities))
            total = found if total is None else total + found
            writer.write_table(
                tabulate(images, probabilities, classes=model.classes, version=model.version)
            )
            on_images(found.num_images)
        assert total is not None, "open_images refuses what holds none"
        write_note(writer, total.to_json())
    return total


def read_summary(table: Path) -> Summary:
    """What a Parquet table says of itself."""
    content = read_note(table)
    if content["batch"] is not None:
        from tasks.drift.batch import Batch

        content["batch"] = Batch.from_json(content["batch"])
    content["first_errors"] = tuple(content["first_errors"])
    return Summary(**content)


def describe_summary(summary: Summary, output: Path, model: Model) -> str:
    """How many images were classified, by what, and where the table is."""
    good = summary.num_images - summary.num_errors
    return f"{good:,} of {summary.num_images:,} images → {output}, model {model.version}"


def describe_problems(summary: Summary, aside: Tally) -> Iterator[str]:
    """What was left aside, why the first images couldn't be used, and how many there are in all."""
    yield from (f"left aside, {line}" for line in aside.describe())
    yield from (f"error: {error}" for error in summary.first_errors)
    if summary.num_errors > len(summary.first_errors):
        yield f"error: {summary.num_errors:,} in all, each in its row"
