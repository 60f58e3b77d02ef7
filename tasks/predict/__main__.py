"""Classifies images with the model in use.

    pipeline predict IMAGE                       # prints the probability of each class
    pipeline predict IMAGES --output TABLE       # TABLE ends in .parquet or .csv
    pipeline predict IMAGES --output FOLDER      # Parquet files, in parts, which can be resumed

IMAGES is a folder of images and .npy files, or one such file, or an .npy, .npz or IDX file of many
images, a table (.csv, .tsv, .jsonl, .parquet) with a column `path`, or an address (s3://bucket/folder).
They are scaled, padded or refused as the training images were. An image that can't be used is a row
of the table with an error. When all is written, the images are compared with the training images.
Parts go to the cores of a Dask cluster if DASK_SCHEDULER_ADDRESS names its scheduler.
"""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from tasks.core.parameters import load_section
from tasks.drift.parameters import DriftParameters
from tasks.predict.classify import describe_problems, describe_summary, predict_batches
from tasks.predict.images import Listing, open_images
from tasks.predict.model import Model, load_model
from tasks.predict.parameters import PredictParameters
from tasks.predict.parts import classify_images
from tasks.runner.errors import InputError
from tasks.runner.frame import run_framed


def main() -> None:
    """Loads the model, classifies one image or many."""
    arguments = parse_arguments()
    parameters: PredictParameters = load_section("predict", PredictParameters)
    model = load_model(arguments.model, num_threads=parameters.threads)
    images = open_images(arguments.images, model.policy)
    if arguments.output is None:
        print("\n".join(predict_one(images, arguments.images, model)))
    else:
        predict_many(images, arguments.output, model, parameters, drift=arguments.drift)


def predict_many(
    images: Listing, output: Path, model: Model, parameters: PredictParameters, *, drift: bool
) -> None:
    """Classifies into a table, says what was found, then compares with the training images."""
    if drift:
        # Imports pandas, which the predictions alone don't need.
        from tasks.drift.report import claim_pages

        model.read_reference()
        claim_pages(output)
    with tqdm(total=images.num_images, unit=" images", disable=None, leave=False) as progress:
        summary = classify_images(
            output, images, model, parameters, measure=drift, on_images=progress.update
        )
    print(describe_summary(summary, output, model), flush=True)
    for line in describe_problems(summary, images.aside):
        print(line, file=sys.stderr)
    if drift:
        # Great Expectations takes longer to import than the images to be classified.
        from tasks.drift.judge import describe_drift
        from tasks.drift.report import report_drift

        assert summary.batch is not None
        limits = load_section("drift", DriftParameters)
        for line in describe_drift(
            report_drift(summary.batch, model, limits=limits, output=output)
        ):
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


def predict_one(images: Listing, path: str, model: Model) -> list[str]:
    """Classifies a file that holds one image.

    Raises:
        InputError: it holds another number of images, or one that can't be used.

    """
    if images.num_images != 1:
        raise InputError(
            f"{path} holds {images.num_images:,} images. Say where the table goes: --output"
            " predictions.parquet"
        )
    ((batch, probabilities),) = predict_batches(images, model, 1)
    if batch.errors[0]:
        raise InputError(batch.errors[0])
    return describe_image(model, probabilities[0].tolist())


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="pipeline predict", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("images", metavar="IMAGES")
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
