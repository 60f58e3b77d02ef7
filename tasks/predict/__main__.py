"""Classifies images with the model in use.

    python -m tasks.predict IMAGE                       # prints the probability of each class
    python -m tasks.predict IMAGES --output TABLE       # TABLE ends in .parquet or .csv

IMAGES is a folder of PNG, JPEG and .npy files, or one such file, or an .npy, .npz or IDX file of
many images. An image that can't be used is a row of the table with an error.
"""

import argparse
import sys
from pathlib import Path

from tasks.errors import InputError
from tasks.parameters import load_parameters
from tasks.predict.classify import Sample, classify_into, predict_batches
from tasks.predict.drifting import report_drift
from tasks.predict.model import Model, load_model
from tasks.predict.sources import Wanted, open_source


def main() -> None:
    """Loads the model, classifies, says what was found."""
    arguments = parse_arguments()
    try:
        parameters = load_parameters()
        model = load_model(arguments.model, num_threads=parameters.predict.threads)
        if arguments.output is None:
            source = open_source(
                arguments.images, Wanted(model.classifier.image_shape, parameters.predict.resize)
            )
            if source.num_images != 1:
                raise InputError(
                    f"{arguments.images} holds {source.num_images:,} images. Say where the table"
                    " goes: --output predictions.parquet"
                )
            ((batch, probabilities),) = predict_batches(source, model, 1)
            if batch.errors[0]:
                raise InputError(batch.errors[0])
            print("\n".join(describe_image(model, probabilities[0].tolist())))
            return
        sample = Sample() if arguments.drift else None
        summary = classify_into(
            arguments.output, arguments.images, model, parameters.predict, sample
        )
        good = summary.num_images - summary.num_errors
        print(
            f"{good:,} of {summary.num_images:,} images → {arguments.output}, model {model.version}"
        )
        for error in summary.first_errors:
            print(f"error: {error}", file=sys.stderr)
        if summary.num_errors > len(summary.first_errors):
            print(f"error: {summary.num_errors:,} in all, each in its row", file=sys.stderr)
        if sample is not None:
            for line in report_drift(sample, model, parameters.drift, arguments.output):
                print(f"drift: {line}", file=sys.stderr)
    except InputError as error:
        sys.exit(str(error))


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


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m tasks.predict", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("images", type=Path, metavar="IMAGES")
    parser.add_argument("--output", type=Path, metavar="TABLE")
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="champion, candidate or a folder; else the champion, or the candidate if there is none",
    )
    parser.add_argument(
        "--drift",
        action="store_true",
        help="compare the images with the training images; takes some seconds",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
