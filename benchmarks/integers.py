"""What 8-bit integers cost and give: accuracy, calibration, size and throughput of what ships.

    python -m benchmarks.integers --seeds 5

needs data/raw and data/prepared (dvc repro prepare). For each set and seed, a network is trained by
params.yaml and exported twice; both files then judge the same test images. The digits are
scikit-learn's; in the colour set, Fashion-MNIST's images are painted in two random colours each, a
sixth of them. Writes a table into docs/models.md.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import binomtest
from sklearn.datasets import load_digits

from benchmarks.machine import describe_machine
from benchmarks.pages import fill
from tasks.core.dataset import ImageSplit, Selection, load_split
from tasks.core.parameters import DataParameters, load_section
from tasks.evaluate.tables import bin_confidences, calibration_error
from tasks.models.classifier import Classifier
from tasks.train.checkpoint import Checkpoint
from tasks.train.computation import set_up_tensorflow
from tasks.train.parameters import TrainParameters
from tasks.train.stage import choose_by_content, load_selections

KINDS = ("float32", "int8")
_REPEATS = 5


def main() -> None:
    """Trains, exports, judges, and writes the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, required=True)
    arguments = parser.parse_args()
    recipe: TrainParameters = load_section("train", TrainParameters)
    set_up_tensorflow(recipe)
    lines = [
        "| set | images | accuracy | int8 | lost | p | ECE | int8 | same labels | speed | size |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, load in SETS.items():
        rows = [measure(*load(seed), recipe, seed) for seed in range(arguments.seeds)]
        lines.append(render_row(name, rows))
        print(lines[-1], flush=True)
    about = (
        f"Means over {arguments.seeds} seeds of the recipe in params.yaml, but for p (McNemar's, of"
        f" the images of all seeds) and speed (× that of float32, on {recipe.threads} threads; the"
        " median). What is lost is in points."
    )
    machine = describe_machine("ai-edge-litert", "tensorflow", "keras", "numpy")
    fill(Path("docs/models.md"), "integers", "\n".join([*lines, "", about, machine]))


def measure(
    training: Selection, held_out: Selection, test: ImageSplit, recipe: TrainParameters, seed: int
) -> dict[str, np.ndarray]:
    """(2,) figures of the two exports, and (n,) whether each was right and both said the same."""
    import keras

    from tasks.images.statistics import describe_images
    from tasks.train.export import export
    from tasks.train.fit import train_network

    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    height, width, channels = training.source.images.shape[1:]
    known: DataParameters = load_section("data", DataParameters)
    size = {"height": height, "width": width, "channels": channels}
    with tempfile.TemporaryDirectory() as folder:
        network, validator, _ = train_network(
            known.model_copy(update=size),
            recipe,
            training,
            held_out,
            Checkpoint("key", Path(folder) / "training.npz"),
        )
    calibration = choose_by_content(
        training, describe_images(training.source.images)["content"].to_numpy()
    )
    models = []
    for kind in KINDS:
        asked = recipe.model_copy(update={"export": kind, "max_export_loss": 1.0})
        exported = export(network, validator, asked, calibration=calibration)
        assert exported.parity.computes_in == kind
        models.append(exported.litert)
    classifiers = [Classifier(model, num_threads=recipe.threads) for model in models]
    answers = [classifier.predict(test.images) for classifier in classifiers]
    right = np.stack([found.argmax(axis=1) == test.labels for found in answers])
    errors = [
        calibration_error(bin_confidences(test.labels, found, num_bins=15)) for found in answers
    ]
    return {
        "right": right,
        "same": answers[0].argmax(axis=1) == answers[1].argmax(axis=1),
        "calibration": np.array(errors),
        "seconds": np.array([best_of(classifier, test.images) for classifier in classifiers]),
        "bytes": np.array([len(model) for model in models]),
    }


def best_of(classifier: Classifier, images: np.ndarray) -> float:
    """The fewest seconds that the images take."""
    seconds = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        classifier.predict(images)
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def render_row(name: str, rows: list[dict[str, np.ndarray]]) -> str:
    """Markdown, over the seeds."""
    right = np.concatenate([row["right"] for row in rows], axis=1)
    whole, integers = right.mean(axis=1)
    lost, won = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    p_value = float(binomtest(lost, lost + won).pvalue) if lost + won else 1.0
    calibration = np.mean([row["calibration"] for row in rows], axis=0)
    same = np.mean([row["same"].mean() for row in rows])
    faster = statistics.median(float(row["seconds"][0] / row["seconds"][1]) for row in rows)
    smaller = statistics.median(float(row["bytes"][1] / row["bytes"][0]) for row in rows)
    return (
        f"| {name} | {len(rows[0]['same']):,} | {whole:.4f} | {integers:.4f} |"
        f" {100 * (whole - integers):+.2f} | {p_value:.2g} | {calibration[0]:.4f} |"
        f" {calibration[1]:.4f} | {same:.2%} | {faster:.1f} | {smaller:.2f} |"
    )


def fashion(seed: int) -> tuple[Selection, Selection, ImageSplit]:
    """Fashion-MNIST as the pipeline splits it, whatever the seed."""
    del seed
    return *load_selections(), load_split("test")


def digits(seed: int) -> tuple[Selection, Selection, ImageSplit]:
    """Scikit-learn's 1,797 digits of 8 × 8 pixels; a third of them to test on."""
    dots, labels = map(np.asarray, load_digits(return_X_y=True))
    images = np.rint(dots.reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)
    return divide(ImageSplit(images, labels.astype(np.uint8)), seed)


def painted(seed: int) -> tuple[Selection, Selection, ImageSplit]:
    """10,000 images of Fashion-MNIST in colour; a third of them to test on."""
    generator = np.random.default_rng(seed)
    split = load_split("train")
    chosen = generator.choice(len(split.labels), 10_000, replace=False)
    grey = np.asarray(split.images)[chosen] / np.float32(255)
    ink, paper = generator.uniform(0, 255, (2, len(chosen), 1, 1, 3)).astype(np.float32)
    images = np.rint(grey * ink + (1 - grey) * paper).astype(np.uint8)
    return divide(ImageSplit(images, np.asarray(split.labels)[chosen]), seed)


def divide(split: ImageSplit, seed: int) -> tuple[Selection, Selection, ImageSplit]:
    """A third to test on, a tenth to validate on, the rest to train on, by chance."""
    order = np.random.default_rng(seed).permutation(len(split.labels))
    test, held_out, training = np.split(
        order, [len(order) // 3, len(order) // 3 + len(order) // 10]
    )
    tested = ImageSplit(np.asarray(split.images)[test], np.asarray(split.labels)[test])
    return Selection(split, training), Selection(split, held_out), tested


SETS: dict[str, Callable[[int], tuple[Selection, Selection, ImageSplit]]] = {
    "digits": digits,
    "colour": painted,
    "Fashion-MNIST": fashion,
}

if __name__ == "__main__":
    main()
