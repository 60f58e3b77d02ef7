"""From images to a report at both ends of what the pipeline is for, as proposed for them."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.core import paths
from tasks.evaluate.metrics import read_metrics
from tasks.models.classifier import Classifier
from tests.conftest import PARAMETERS, Run
from tests.flows.test_pipeline import STAGES, stages_run


def make_images(
    labels: np.ndarray, *, num_classes: int, side: int, channels: int, seed: int
) -> np.ndarray:
    """Noise in the brightness, or the colour, of its class."""
    tones = np.random.default_rng(0).integers(20, 190, (num_classes, 1, 1, channels))
    noise = np.random.default_rng(seed).integers(0, 66, (len(labels), side, side, channels))
    return (tones[labels] + noise).astype(np.uint8)


def save_npz(path: Path) -> None:
    """Two classes, grey, 8 × 8 pixels, in MedMNIST's layout."""
    arrays = {}
    for seed, (name, number) in enumerate({"train": 200, "val": 40, "test": 60}.items()):
        labels = np.arange(number) % 2
        arrays[f"{name}_labels"] = labels[:, None]
        arrays[f"{name}_images"] = make_images(
            labels, num_classes=2, side=8, channels=1, seed=seed
        )[..., 0]
    np.savez(path, allow_pickle=False, **arrays)


def save_folders(path: Path) -> None:
    """A hundred classes, in colour, 96 × 96 pixels, a folder each."""
    labels = np.arange(3_000) % 100
    images = make_images(labels, num_classes=100, side=96, channels=3, seed=0)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        file = path / f"class {label:02}" / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file, compress_level=1)


@pytest.mark.parametrize(
    ("save", "source", "num_classes", "shape"),
    [
        (save_npz, "data/source/two.npz", 2, (8, 8, 1)),
        (save_folders, "data/source/hundred", 100, (96, 96, 3)),
    ],
    ids=["two classes, 8 by 8, grey", "a hundred classes, 96 by 96, colour"],
)
def test_images_of_any_size_become_a_model_and_a_report(
    workspace: Path, run: Run, save, source: str, num_classes: int, shape: tuple[int, ...]
) -> None:
    save(workspace / source)
    shutil.copy(PARAMETERS, workspace)
    run("tasks.propose", source, "proposal.yaml")
    proposal = (workspace / "proposal.yaml").read_text("utf-8")
    assert "architecture: residual_deep" in proposal
    proposal = proposal.replace("architecture: residual_deep", "architecture: light")
    # Two hundred small images take no time in as many epochs as are proposed for them.
    if num_classes > 2:
        proposal = re.sub(r"\n  epochs: \d+", "\n  epochs: 2", proposal)
    (workspace / "params.yaml").write_text(proposal, "utf-8")
    assert stages_run(run("dvc", "repro").stdout) == STAGES
    metrics = read_metrics(workspace / paths.EVALUATION)
    assert len(metrics.classes) == num_classes
    assert metrics.accuracy > 1.5 / num_classes
    classifier = Classifier((workspace / paths.EXPORTED_MODEL).read_bytes())
    assert classifier.image_shape == shape
    assert (workspace / paths.REPORT_PAGE).is_file()
