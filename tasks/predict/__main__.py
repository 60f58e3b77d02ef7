"""Classifies images with the model in use.

    pipeline predict IMAGE                       # prints the probability of each class
    pipeline predict IMAGES --output TABLE       # TABLE ends in .parquet or .csv

IMAGES is a folder of images and .npy files, or one such file, or an .npy, .npz or IDX file of many
images. They are scaled, padded or refused as the training images were. An image that can't be used
is a row of the table with an error. When the table is written, the images are compared with the
training images.
"""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from tasks.core.parameters import load_section
from tasks.drift.parameters import DriftParameters
from tasks.images.sources import open_source
from tasks.predict.classify import (
    Sample,
    classify_into,
    describe_errors,
    describe_summary,
    predict_batches,
)
from tasks.predict.model import Model, load_model
from tasks.predict.parameters import PredictParameters
from tasks.runner.errors import InputError
from tasks.runner.frame import run_framed


def main() -> None:
    """Loads the model, classifies one image or many."""
    arguments = parse_arguments()
    parameters: PredictParameters = load_section("predict", PredictParameters)
    model = load_model(arguments.model, num_threads=parameters.threads)
    if arguments.output is None:
        print("\n".join(predict_one(arguments.images, model)))
    else:
        predict_many(arguments.images, arguments.output, model, parameters, drift=arguments.drift)


def predict_many(
    images: Path, output: Path, model: Model, parameters: PredictParameters, *, drift: bool
) -> None:
    """Classifies into a table, says what was found, then compares with the training images."""
    source = open_source(images, model.policy)
    sample = Sample(model.read_reference()) if drift else None
    with tqdm(total=source.num_images, unit=" images", disable=None, leave=False) as progress:
        summary = classify_into(
            output,
            source,
            model,
            batch_size=parameters.batch_size,
            sample=sample,
            on_images=progress.update,
        )
    print(describe_summary(summary, output), flush=True)
    for line in summary.aside:
        print(f"left aside, {line}", file=sys.stderr)
    for error in describe_errors(summary):
        print(f"error: {error}", file=sys.stderr)
    if sample is not None:
        # Great Expectations takes longer to import than the images to be classified.
        from tasks.drift.judge import describe_drift, report_drift

        findings = report_drift(
            sample,
            classes=model.classes,
            limits=load_section("drift", DriftParameters),
            output=output,
        )
        for line in describe_drift(findings):
            print(f"drift: {line}", file=sys.stderr)


def describe_image(model: Model, probabilities: list[float]) -> list[str]:
    """The probability of each class, the most likely first."""
    width = max(len(name) for name in model.classes)
    ranked = sorted(zip(probabilities, model.classes, strict=True), reverse=True)
    return [
        *(
            f"{name:{width}}  {share:7.2%}  {'█' * round(40 * share)}".rstrip()
            for share, name in ranked
        ),
        f"model {model.version}, {model.folder}",
    ]


def predict_one(path: Path, model: Model) -> list[str]:
    """Classifies a file that holds one image.

    Raises:
        InputError: it holds another number of images, or one that can't be used.

    """
    source = open_source(path, model.policy)
    if source.num_images != 1:
        raise InputError(
            f"{path} holds {source.num_images:,} images. Say where the table goes: --output"
            " predictions.parquet"
        )
    ((batch, probabilities),) = predict_batches(source, model, 1)
    if batch.errors[0]:
        raise InputError(batch.errors[0])
    return describe_image(model, probabilities[0].tolist())


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="pipeline predict", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("images", type=Path, metavar="IMAGES")
    parser.add_argument("--output", type=Path, metavar="TABLE")
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="champion, candidate or a folder; if not named, the champion",
    )
    parser.add_argument(
        "--no-drift",
        dest="drift",
        action="store_false",
        help="don't compare the images with the training images, which takes some seconds",
    )
    return parser.parse_args()


if __name__ == "__main__":
    run_framed(main)
