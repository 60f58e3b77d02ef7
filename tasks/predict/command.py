"""What `pipeline predict` does, once its line is read."""

import sys
from pathlib import Path

from tqdm import tqdm

from tasks.core.parameters import load_section
from tasks.drift.parameters import DriftParameters
from tasks.predict.classify import describe_problems, describe_summary
from tasks.predict.images import Listing, open_images
from tasks.predict.model import Model, load_model
from tasks.predict.parameters import PredictParameters
from tasks.predict.parts import classify_images
from tasks.runner.errors import InputError


def predict(images: str, output: Path | None, *, model: str | None, drift: bool) -> None:
    """Loads the model, classifies one image, or many into a table or parts."""
    parameters: PredictParameters = load_section("predict", PredictParameters)
    loaded = load_model(model, num_threads=parameters.threads)
    opened = open_images(images, loaded.policy)
    if output is None:
        predict_one(opened, images, loaded)
    else:
        predict_many(opened, output, loaded, parameters, drift=drift)


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
        findings = report_drift(summary.batch, model, limits=limits, output=output)
        for line in describe_drift(findings):
            print(f"drift: {line}", file=sys.stderr)


def predict_one(images: Listing, path: str, model: Model) -> None:
    """Prints the probability of each class for the one image of a file, the most likely first.

    Raises:
        InputError: it holds another number of images, or one that can't be used.

    """
    if images.num_images != 1:
        raise InputError(
            f"{path} holds {images.num_images:,} images. Say where the table goes: --output"
            " predictions.parquet"
        )
    (batch,) = images.batches(1)
    if batch.errors[0]:
        raise InputError(batch.errors[0])
    width = max(len(name) for name in model.classes)
    (probabilities,) = model.classifier.predict(batch.pixels)
    ranked = sorted(zip(probabilities.tolist(), model.classes, strict=True), reverse=True)
    for share, name in ranked:
        print(f"{name:{width}}  {share:7.2%}  {'█' * round(40 * share)}".rstrip())
    print(f"model {model.version}, {model.folder}")
