"""Prediction as a Prefect flow: its progress, its errors and its drift where one looks for them.

    python -m flows.predict IMAGES OUTPUT

needs no server: Prefect starts a temporary one. The deployment `predict/batch` in prefect.yaml runs
it unattended; what IMAGES and OUTPUT can be, `pipeline predict --help` says.
"""

import argparse
import os
from pathlib import Path

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.states import Completed

from flows.artifacts import follow_count
from flows.automations import DRIFT
from flows.parameters import FlowParameters, name_scheduler
from tasks.core.parameters import load_section
from tasks.drift.batch import Batch
from tasks.drift.judge import describe_drift, drift_to_markdown
from tasks.drift.parameters import DriftParameters
from tasks.drift.report import claim_pages, report_drift
from tasks.predict.classify import Summary, describe_problems, describe_summary
from tasks.predict.images import open_images
from tasks.predict.model import Model, load_model
from tasks.predict.parameters import PredictParameters
from tasks.predict.parts import classify_images
from tasks.runner.frame import run_framed


@flow(name="predict")
def predict(images: str, output: str, model: str | None) -> None:
    """Classifies images into a table, and compares them with the training images.

    Args:
        images: a folder, a file of one image or of many, a table of paths, or an address.
        output: the table, which ends in .parquet or .csv, or a folder of parts; an earlier one is
            replaced.
        model: champion, candidate or a folder; None is the champion.

    """
    parameters: PredictParameters = load_section("predict", PredictParameters)
    limits: DriftParameters = load_section("drift", DriftParameters)
    name_scheduler(load_section("flow", FlowParameters).scheduler)
    loaded = load_model(model, num_threads=parameters.threads)
    loaded.read_reference()
    claim_pages(Path(output))
    summary = classify(images, Path(output), loaded, parameters, return_state=True).result()
    assert isinstance(summary, Summary)
    assert summary.batch is not None
    drift(summary.batch, Path(output), loaded, limits)


@task(task_run_name="classify")
def classify(
    images: str, output: Path, model: Model, parameters: PredictParameters
) -> State[Summary]:
    """Writes the table; an image that can't be used is a warning and a row with an error."""
    log = get_run_logger()
    source = open_images(images, model.policy)
    summary = classify_images(
        output,
        source,
        model,
        parameters,
        measure=True,
        on_images=follow_count(source.num_images, f"classifying {images}"),
    )
    message = describe_summary(summary, output, model)
    log.info(message)
    problems = list(describe_problems(summary, source.aside))
    for problem in problems:
        log.warning(problem)
    create_markdown_artifact(
        "\n".join([message, "", *(f"- {problem}" for problem in problems)]),
        key="prediction-summary",
        description="What was classified, by which model, and what couldn't be",
    )
    name = "Completed" if summary.num_errors == 0 else "CompletedWithErrors"
    return Completed(name=name, message=message, data=summary)


@task(task_run_name="drift")
def drift(batch: Batch, output: Path, model: Model, limits: DriftParameters) -> State[int]:
    """Warns of each figure that isn't as in training; the state's name says if there is one."""
    findings = report_drift(batch, model, limits=limits, output=output)
    differing = describe_drift(findings)
    for line in differing:
        get_run_logger().warning("drift: %s", line)
    create_markdown_artifact(
        drift_to_markdown(findings),
        key="prediction-drift",
        description="Whether the images are like the training images",
    )
    message = "; ".join(differing) or "the images are like the training images"
    if differing:
        emit_event(
            DRIFT,
            resource={"prefect.resource.id": "pipeline.predictions"},
            payload={"message": f"{output}: {message}"},
        )
    name = "Drifted" if differing else "AsInTraining"
    return Completed(name=name, message=message, data=len(differing))


def main() -> None:
    """Runs the flow once."""
    parser = argparse.ArgumentParser(prog="python -m flows.predict", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("images", metavar="IMAGES")
    parser.add_argument("output", metavar="OUTPUT")
    parser.add_argument("--model", metavar="MODEL", help="champion, candidate or a folder")
    arguments = parser.parse_args()
    os.environ.setdefault("DO_NOT_TRACK", "1")
    predict(arguments.images, arguments.output, arguments.model)


if __name__ == "__main__":
    run_framed(main)
