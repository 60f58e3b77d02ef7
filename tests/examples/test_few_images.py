"""The smallest sets that people have reach the report, or end with one line before any work."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.core import paths
from tasks.evaluate.metrics import read_metrics
from tests.conftest import PARAMETERS, Run
from tests.examples.test_sizes import make_images
from tests.flows.test_pipeline import STAGES, stages_run


def save_folders(path: Path, counts: list[int]) -> None:
    """A folder for each class, with so many images, grey, 8 × 8 pixels."""
    labels = np.repeat(np.arange(len(counts)), counts)
    images = make_images(labels, num_classes=len(counts), side=8, channels=1, seed=0)[..., 0]
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        file = path / f"class {label:02}" / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file, compress_level=1)


def propose(workspace: Path, run: Run, counts: list[int]) -> None:
    """Parameters as they are proposed, but for a small network and few epochs."""
    save_folders(workspace / "data/source/few", counts)
    shutil.copy(PARAMETERS, workspace)
    run("tasks.propose", "data/source/few", "proposal.yaml")
    proposal = (workspace / "proposal.yaml").read_text("utf-8")
    proposal = proposal.replace("architecture: residual_deep", "architecture: light")
    proposal = re.sub(r"\n  epochs: \d+", "\n  epochs: 2", proposal)
    (workspace / "params.yaml").write_text(proposal, "utf-8")


@pytest.mark.parametrize(
    "counts",
    [[5] * 10, [3] * 2, [10_000, 5], [10] * 100],
    ids=["10 classes of 5", "2 classes of 3", "10,000 beside 5", "100 classes of 10"],
)
def test_few_images_of_a_class_are_enough_for_a_report(
    workspace: Path, run: Run, counts: list[int]
) -> None:
    propose(workspace, run, counts)
    assert stages_run(run("dvc", "repro").stdout) == STAGES
    classes = read_metrics(workspace / paths.EVALUATION).classes
    assert len(classes) == len(counts)
    assert min(row.support for row in classes) >= 1
    assert (workspace / paths.REPORT_PAGE).is_file()


def test_two_images_of_a_class_are_too_few_and_a_line_says_so_before_any_work(
    workspace: Path, run: Run
) -> None:
    save_folders(workspace / "data/source/few", [2, 4])
    shutil.copy(PARAMETERS, workspace)
    refused = run("tasks.propose", "data/source/few", "proposal.yaml", check=False)
    assert refused.returncode == 1
    assert "class 0 (class 00) has 2" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not (workspace / "proposal.yaml").exists()
