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
from pathlib import Path

from tasks.runner.frame import run_framed


def main() -> None:
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
    arguments = vars(parser.parse_args())
    # Only now: what classifies images takes long to import.
    from tasks.predict.command import predict

    predict(arguments.pop("images"), arguments.pop("output"), **arguments)


if __name__ == "__main__":
    run_framed(main)
