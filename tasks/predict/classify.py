"""Classifies a source of images, a batch at a time, into a table."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tasks.parameters import PredictParameters
from tasks.predict.model import Model
from tasks.predict.sources import Images, Source, Wanted, open_source
from tasks.predict.table import make_schema, open_writer, tabulate
from tasks.reference import IMAGE_STATISTICS


@dataclass
class Sample:
    """What drift is judged by: a few numbers per image.

    Attributes:
        rows: arrays (m, 5) of brightness, contrast, zero_share, confidence and label.

    """

    rows: list[np.ndarray] = field(default_factory=list)

    def add(self, pixels: np.ndarray, probabilities: np.ndarray) -> None:
        """Describes (m, height, width, channels) images and their (m, classes) probabilities."""
        from tasks.statistics import describe_images

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

    """

    num_images: int
    num_errors: int
    first_errors: tuple[str, ...]
    version: str


_SHOWN = 5


def classify_into(
    output: Path, images: Path, model: Model, parameters: PredictParameters, sample: Sample | None
) -> Summary:
    """Classifies all images of a file or folder into a .parquet or .csv file.

    Args:
        output: the file to write, whole or not at all.
        images: see `tasks.predict.sources`.
        model: predicts.
        parameters: of the batches.
        sample: receives what drift is judged by; None costs nothing.

    Raises:
        InputError: the source holds no images or is broken, or the output has another ending.

    """
    source = open_source(images, Wanted(model.classifier.image_shape, parameters.resize))
    num_errors = 0
    first_errors: list[str] = []
    with open_writer(output, make_schema(model.classes)) as writer:
        for batch, probabilities in predict_batches(source, model, parameters.batch_size):
            errors = [error for error in batch.errors if error is not None]
            num_errors += len(errors)
            first_errors += errors[: _SHOWN - len(first_errors)]
            if sample is not None:
                sample.add(batch.pixels, probabilities)
            writer.write_table(
                tabulate(batch, probabilities, classes=model.classes, version=model.version)
            )
    return Summary(source.num_images, num_errors, tuple(first_errors), model.version)


def predict_batches(source: Source, model: Model, size: int) -> Iterator[tuple[Images, np.ndarray]]:
    """Yields each batch with its (m, classes) probabilities; a terminal shows the progress."""
    progress = tqdm(
        total=source.num_images, unit=" images", file=sys.stderr, disable=None, leave=False
    )
    with progress:
        for batch in source.batches(size):
            yield batch, model.classifier.predict(batch.pixels)
            progress.update(len(batch.names))
