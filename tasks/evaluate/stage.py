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
from tasks.evaluate.metrics import HEADLINES, Judged, measure
from tasks.evaluate.parameters import EvaluateParameters
from tasks.evaluate.tables import bin_confidences, tabulate_predictions
from tasks.models.card import version_of
from tasks.models.classifier import Classifier
from tasks.runner.progress import show_progress


def main() -> None:
    """Load, predict, measure, save."""
    data: DataParameters = load_section("data", DataParameters)
    parameters: EvaluateParameters = load_section("evaluate", EvaluateParameters)
    split, arrays = load_split("test"), load_manifest()["arrays"]
    model = sealed(paths.EXPORTED_MODEL, stage="train")
    classifier = Classifier(model.read_bytes())
    chunks = show_progress(split.all().chunks(), what="classifying", total=len(split.labels))
    probabilities = np.concatenate([classifier.predict(chunk) for chunk in chunks])
    predictions = tabulate_predictions(split.labels, probabilities, classes=data.classes)
    with replacing(paths.PREDICTIONS) as temporary:
        predictions.to_parquet(temporary, index=False)
    metrics = measure(
        split.labels,
        probabilities,
        classes=data.classes,
        confidence=parameters.confidence,
        num_bins=parameters.calibration_bins,
        sha256=Judged(
            version=version_of(paths.CANDIDATE),
            model=sha256_of(paths.EXPORTED_MODEL),
            test_images=arrays["test_images.npy"]["sha256"],
            test_labels=arrays["test_labels.npy"]["sha256"],
            predictions=sha256_of(paths.PREDICTIONS),
        ),
    )
    calibration = bin_confidences(split.labels, probabilities, num_bins=parameters.calibration_bins)
    names = np.array(data.classes)
    confusion = pd.DataFrame(
        {"actual": names[split.labels], "predicted": names[predictions["predicted"].to_numpy()]}
    )
    write_json(paths.EVALUATION, metrics.model_dump(mode="json"))
    write_json(paths.METRICS, metrics.model_dump(include=set(HEADLINES)))
    write_text(paths.CONFUSION, confusion.to_csv(index=False, lineterminator="\n"))
    write_text(paths.CALIBRATION, calibration.to_csv(index=False, lineterminator="\n"))
    low, high = metrics.accuracy_interval
    print(f"accuracy {metrics.accuracy:.4f} [{low:.4f}, {high:.4f}]", flush=True)
