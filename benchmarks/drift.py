"""What drift is found, and what isn't, in the real test images and in changed and foreign ones.

    python -m benchmarks.drift

writes the table into docs/models.md. Needs data/raw and a model (dvc repro). No figure depends on
the machine, but each on the model.

    python -m benchmarks.drift false-alarms

writes the table of alarms that chance alone raises, over sizes. Needs neither; takes an hour.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images
from tqdm import tqdm

from benchmarks.pages import fill
from tasks.core.dataset import load_split
from tasks.drift.batch import describe_batch, measure
from tasks.drift.judge import DriftFinding, allow, judge_drift, observe
from tasks.drift.parameters import DriftParameters
from tasks.drift.reference import HIGHEST, IMAGE_STATISTICS, summarize
from tasks.predict.model import Model, load_model
from workspace.check import check_parameters

_CHANGED = 2_000
_BATCHES = 20
_BATCH_SIZE = 100
_SIZES = [(50, 20), (50, 1_000), (50, 100_000), (300, 300), (6_000, 100), (60_000, 20)]
_SIZES += [(60_000, 1_000), (60_000, 100_000)]
_NUM_CLASSES = (2, 10, 100)
_SIMULATED = 200
_NUM_SAMPLES = 1_000  # fewer than in use: the test is exact with any number

Kind = Literal["even", "skewed", "rare"]
_KINDS: tuple[Kind, ...] = ("even", "skewed", "rare")


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
    batch = describe_batch(images, model.classifier.predict(images))
    return judge_drift(batch, model.read_reference(), classes=model.classes, limits=limits)


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


def simulate() -> str:
    """A Markdown table of the batches that chance gives an alarm, of any of the five figures."""
    limits = check_parameters()["drift"]
    # Without the distances that are allowed, which only make alarms rarer.
    chance_alone = limits.model_copy(update={"max_deviation": 1e-9, "max_divergence": 1e-9})
    rows = [
        "| images of the reference | of the batch | 2 classes | 10 classes | 100 classes |",
        "|---:|---:|---:|---:|---:|",
    ]
    total = 0
    for num_reference, num_batch in tqdm(_SIZES, unit="size", disable=None):
        cells = []
        for num_classes in _NUM_CLASSES:
            alarms = sum(
                count_alarms(
                    kind,
                    num_reference=num_reference,
                    num_batch=num_batch,
                    num_classes=num_classes,
                    limits=chance_alone,
                    num_batches=_SIMULATED,
                )
                for kind in _KINDS
            )
            total += alarms
            cells.append(f"{alarms} of {_SIMULATED * len(_KINDS)}")
        rows.append(f"| {num_reference:,} | {num_batch:,} | {' | '.join(cells)} |")
    batches = _SIMULATED * len(_KINDS) * len(_SIZES) * len(_NUM_CLASSES)
    rows += ["", f"In all {total} alarms in {batches:,} batches: {total / batches:.2%}."]
    return "\n".join(rows)


def count_alarms(
    kind: Kind,
    *,
    num_reference: int,
    num_batch: int,
    num_classes: int,
    limits: DriftParameters,
    num_batches: int,
) -> int:
    """How many batches raise any alarm, each against a reference of the same distribution."""
    alarms = 0
    for seed in range(num_batches):
        own = [seed, num_reference, num_batch, num_classes, _KINDS.index(kind)]
        generator = np.random.default_rng(own)
        reference = summarize(*draw_sample(kind, num_reference, num_classes, generator))
        statistics, probabilities = draw_sample(kind, num_batch, num_classes, generator)
        columns = [statistics[column].to_numpy() for column in IMAGE_STATISTICS.values()]
        columns.append(probabilities.max(axis=1))
        batch = measure(columns, probabilities.argmax(axis=1), num_classes=num_classes)
        observed = observe(batch, reference)
        allowed = allow(batch, reference, limits, _NUM_SAMPLES)
        found = [not low <= observed[figure] <= high for figure, (low, high) in allowed.items()]
        alarms += any(found)
    return alarms


def draw_sample(
    kind: Kind, number: int, num_classes: int, generator: np.random.Generator
) -> tuple[pd.DataFrame, np.ndarray]:
    """What `summarize` takes, of simulated images.

    Args:
        kind: even is bell-shaped statistics and even classes; skewed, long tails and classes from
            frequent to rare; rare, one value but for one image in two hundred.
        number: of images.
        num_classes: that are predicted.
        generator: of chance.

    """
    shares = np.ones(num_classes) if kind == "even" else 1 / np.arange(1, num_classes + 1)
    labels = generator.choice(num_classes, number, p=shares / shares.sum())

    def draw() -> np.ndarray:
        if kind == "even":
            return generator.beta(8, 8, number)
        if kind == "skewed":
            return generator.beta(0.3, 6, number)
        return np.where(generator.random(number) < 0.005, 0.9, 0.1)

    statistics = pd.DataFrame(
        {column: draw() * HIGHEST[name] for name, column in IMAGE_STATISTICS.items()}
    )
    confidence = 0.51 + 0.48 * draw()
    rest = (1 - confidence) / (num_classes - 1)
    probabilities = np.tile(rest[:, None], (1, num_classes))
    probabilities[np.arange(number), labels] = confidence
    return statistics, probabilities


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
    if sys.argv[1:] == ["false-alarms"]:
        fill(Path("docs/models.md"), "false alarms", simulate())
    else:
        main()
