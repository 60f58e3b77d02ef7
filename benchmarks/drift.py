"""What drift is found, and what isn't, in the real test images and in changed and foreign ones.

    python -m benchmarks.drift

writes the table into docs/models.md. Needs data/raw and a model (dvc repro). No figure depends on
the machine, but each on the model.
"""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images
from tqdm import tqdm

from benchmarks.pages import fill
from tasks.core.dataset import load_split
from tasks.drift.judge import DriftFinding
from tasks.drift.parameters import DriftParameters
from tasks.drift.report import judge_sample
from tasks.predict.classify import Sample
from tasks.predict.model import Model, load_model
from workspace.check import check_parameters

_CHANGED = 2_000
_BATCHES = 20
_BATCH_SIZE = 100


def main() -> None:
    """Writes a Markdown table."""
    parameters = SimpleNamespace(**check_parameters())
    model = load_model(None, num_threads=parameters.predict.threads)
    images = np.array(load_split("test").images)
    cases = {"the test images": images} | {
        name: change(images[:_CHANGED]) for name, change in CHANGES.items()
    }
    cases |= {"handwritten digits (scikit-learn)": draw_digits(), "photographs": cut_photographs()}
    figures = ["brightness", "contrast", "zero_share", "confidence", "predicted labels"]
    rows = [f"| images | number | {' | '.join(figures)} |", "|---|---:|---|---|---|---|---|"]
    for name, changed in tqdm(cases.items(), unit="case", disable=None):
        findings = judge(changed, model, parameters.drift)
        cells = [
            f"{'' if finding['success'] else '✗ '}{finding['observed'].partition(' ')[0]}"
            for finding in findings
        ]
        rows.append(f"| {name} | {len(changed):,} | {' | '.join(cells)} |")
    batches = np.split(images[: _BATCHES * _BATCH_SIZE], _BATCHES)
    alarms = sum(
        any(not finding["success"] for finding in judge(batch, model, parameters.drift))
        for batch in batches
    )
    rows += ["", f"{_BATCHES} batches of {_BATCH_SIZE} test images each: {alarms} alarms."]
    rows.append(f"Model {model.version}.")
    print("\n".join(rows))
    fill(Path("docs/models.md"), "drift", "\n".join(rows))


def judge(images: np.ndarray, model: Model, limits: DriftParameters) -> list[DriftFinding]:
    """Classifies (n, height, width, channels) uint8 images and compares them with training's."""
    sample = Sample(model.read_reference())
    sample.add(images, model.classifier.predict(images))
    return judge_sample(sample, classes=model.classes, limits=limits)


def shift(images: np.ndarray, pixels: int) -> np.ndarray:
    """Moves images to the right; what comes in from the left is 0."""
    return np.pad(images, ((0, 0), (0, 0), (pixels, 0), (0, 0)))[:, :, : images.shape[2]]


def add_noise(images: np.ndarray, deviation: float) -> np.ndarray:
    """Adds normal noise, and cuts what leaves 0..255."""
    noise = np.random.default_rng(0).normal(0, deviation, images.shape)
    return np.clip(images + noise, 0, 255).astype(np.uint8)


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "inverted": lambda images: 255 - images,
    "darker by a fifth": lambda images: (images * 0.8).astype(np.uint8),
    "shifted by 1 pixel": lambda images: shift(images, 1),
    "shifted by 2 pixels": lambda images: shift(images, 2),
    "shifted by 4 pixels": lambda images: shift(images, 4),
    "noise, deviation 5": lambda images: add_noise(images, 5),
    "noise, deviation 40": lambda images: add_noise(images, 40),
    "turned by 90°": lambda images: np.rot90(images, axes=(1, 2)),
}


def draw_digits() -> np.ndarray:
    """(1797, 28, 28, 1): handwritten digits, scaled up from 8×8."""
    values = np.asarray(load_digits(return_X_y=True)[0])
    pixels = (values.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    return np.stack([_scale(Image.fromarray(digit)) for digit in pixels])


def cut_photographs() -> np.ndarray:
    """(n, 28, 28, 1): squares of two colour photographs, made grey."""
    pieces = [
        _scale(grey.crop((left, top, left + 56, top + 56)))
        for grey in (Image.fromarray(image).convert("L") for image in load_sample_images().images)
        for top in range(0, grey.height - 56, 28)
        for left in range(0, grey.width - 56, 28)
    ]
    return np.stack(pieces)


def _scale(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.resize((28, 28), Image.Resampling.BILINEAR))[..., None]


if __name__ == "__main__":
    main()
