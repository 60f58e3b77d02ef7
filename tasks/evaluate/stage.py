"""Stage evaluate: judges the model that ships, on the test images, once.

python -m tasks.evaluate

reports/predictions.parquet holds a row per test image, for whoever wants to look further.
"""

import numpy as np
import pandas as pd

from tasks.core import paths
from tasks.core.dataset import load_manifest, load_split
from tasks.core.files import replacing, sha256_of, write_json, write_text
from tasks.core.parameters import DataParameters, load_section
from tasks.core.seal import sealed
from tasks.evaluate.measure import (
    bin_confidences,
    calibration_error,
    measure,
    tabulate_predictions,
)
from tasks.evaluate.parameters import EvaluateParameters
from tasks.models.classifier import Classifier


def main() -> None:
    """Load, predict, measure, save."""
    data: DataParameters = load_section("data", DataParameters)
    parameters: EvaluateParameters = load_section("evaluate", EvaluateParameters)
    classes = data.classes
    split = load_split("test")
    probabilities = Classifier(sealed(paths.EXPORTED_MODEL, stage="train").read_bytes()).predict(
        split.images
    )
    predictions = tabulate_predictions(split.labels, probabilities, classes=classes)
    calibration = bin_confidences(split.labels, probabilities, num_bins=parameters.calibration_bins)
    arrays = load_manifest()["arrays"]
    metrics = {
        **measure(
            split.labels,
            probabilities,
            classes=classes,
            confidence=parameters.confidence,
        ),
        "expected_calibration_error": calibration_error(calibration),
        "calibration_bins": parameters.calibration_bins,
        "sha256": {
            "model": sha256_of(paths.EXPORTED_MODEL),
            "test_images": arrays["test_images.npy"]["sha256"],
            "test_labels": arrays["test_labels.npy"]["sha256"],
        },
    }
    names = np.array(classes)
    confusion = pd.DataFrame(
        {"actual": names[split.labels], "predicted": names[predictions["predicted"].to_numpy()]}
    )
    write_json(paths.METRICS, metrics)
    write_text(paths.CONFUSION, confusion.to_csv(index=False, lineterminator="\n"))
    write_text(paths.CALIBRATION, calibration.to_csv(index=False, lineterminator="\n"))
    with replacing(paths.PREDICTIONS) as temporary:
        predictions.to_parquet(temporary, index=False)
    low, high = metrics["accuracy_interval"]
    print(f"accuracy {metrics['accuracy']:.4f} [{low:.4f}, {high:.4f}]", flush=True)
