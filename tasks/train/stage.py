"""Stage train: models/ from the training images, the best epoch chosen on the validation split.

python -m tasks.train
"""

import os
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tasks.core import paths
from tasks.core.cost import estimate_memory
from tasks.core.dataset import Selection, load_manifest, load_split
from tasks.core.files import replacing, write_json, write_text
from tasks.core.parameters import DataParameters, load_section
from tasks.core.seal import seal, sealed
from tasks.drift.reference import REFERENCE_NAME, summarize
from tasks.images.statistics import describe_images
from tasks.runner.errors import InputError
from tasks.train.checkpoint import Checkpoint, training_key
from tasks.train.computation import set_up_tensorflow
from tasks.train.parameters import TrainParameters

if TYPE_CHECKING:
    from tasks.train.export import Exported

# Of the machine's memory, by an estimate that can be wrong by half.
_TIGHT, _HOPELESS = 0.7, 1.5
_CALIBRATION_IMAGES = 300  # more of them change nothing that can be measured


def main() -> None:
    """Load, fit, export, save."""
    data: DataParameters = load_section("data", DataParameters)
    train: TrainParameters = load_section("train", TrainParameters)
    training, held_out = load_selections()
    num_training, manifest = len(training.positions), load_manifest()
    size = {"height": data.height, "width": data.width, "num_images": num_training}
    needed = estimate_memory(batch_size=train.batch_size, **size)
    require_memory(needed, available=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    checkpoint = Checkpoint(
        training_key(train, manifest["arrays"], training.positions, held_out.positions)
    )
    set_up_tensorflow(train)
    # Only now, because these import TensorFlow.
    from tasks.train.export import export
    from tasks.train.fit import train_network

    network, validator, history = train_network(data, train, training, held_out, checkpoint)
    statistics = describe_images(training.source.images)
    calibration = choose_by_content(training, statistics["content"].to_numpy())
    exported = export(network, validator, train, calibration=calibration)
    card = describe(data, train, manifest, history, exported, num_training=num_training)
    save(exported, card, training, held_out, statistics)
    write_text(paths.HISTORY, history.to_csv(index=False, lineterminator="\n"))
    figures = ("chosen_epoch", "validation_loss", "validation_accuracy")
    write_json(paths.TRAINING_METRICS, {name: card[name] for name in figures})
    checkpoint.remove()
    accuracy = card["validation_accuracy"]
    print(
        f"chose epoch {card['chosen_epoch']}, val_accuracy {accuracy:.4f};"
        f" ships in {exported.parity.computes_in}",
        flush=True,
    )


def load_selections() -> tuple[Selection, Selection]:
    """The images to train on and those to validate on."""
    split = load_split("train")
    training, validation = (
        np.load(sealed(path, stage="prepare"), allow_pickle=False)
        for path in (paths.TRAINING, paths.VALIDATION_SPLIT)
    )
    return Selection(split, training), Selection(split, validation)


def require_memory(needed: int, *, available: int) -> None:
    """Refuses a training that would be killed when memory runs out, and warns where it may be.

    From the bytes that are needed, by an estimate, and those that the machine has.
    """
    told = (
        f"training takes about {needed / 2**30:.1f} GiB of memory, and this machine has"
        f" {available / 2**30:.1f}: lower train.batch_size, or data.height and data.width, in"
        " params.yaml"
    )
    if needed > _HOPELESS * available:
        raise InputError(told)
    if needed > _TIGHT * available:
        print(told, flush=True)


def choose_by_content(training: Selection, contents: np.ndarray) -> np.ndarray:
    """The images, (n, height, width, channels) uint8, from which ranges of integers are taken.

    They are those of the lowest hashes, so that their order in the source doesn't matter.
    """
    order = np.argsort(contents[training.positions], kind="stable")
    return training.take(order[:_CALIBRATION_IMAGES])


def describe(
    data: DataParameters,
    train: TrainParameters,
    manifest: dict[str, Any],
    history: pd.DataFrame,
    exported: "Exported",
    *,
    num_training: int,
) -> dict[str, Any]:
    """What a user of the model must know: its input, its classes, how it was trained, on what."""
    best = history.iloc[int(history["val_loss"].to_numpy().argmin())]
    return {
        "input": manifest["origin"]["input"],
        "output": f"float32 probabilities (n, {len(data.classes)})",
        "classes": list(data.classes),
        "parameters": train.model_dump(),
        "versions": {name: version(name) for name in ("tensorflow", "keras", "numpy")},
        "data": manifest,
        "num_parameters": exported.num_parameters,
        "chosen_epoch": int(best["epoch"]),
        "training_images": num_training,
        "validation_images": len(exported.probabilities),
        "validation_loss": float(best["val_loss"]),
        "validation_accuracy": float(best["val_accuracy"]),
        "temperature": exported.temperature,
        "export": exported.parity._asdict(),
    }


def save(
    exported: "Exported",
    card: dict[str, Any],
    training: Selection,
    held_out: Selection,
    statistics: pd.DataFrame,
) -> None:
    """Writes the folder of the candidate, whole or not at all."""
    contents = statistics["content"].to_numpy()
    seen = np.unique(contents[np.concatenate([training.positions, held_out.positions])])
    reference = summarize(statistics.iloc[training.positions], exported.probabilities)
    with replacing(paths.CANDIDATE) as folder:
        folder.mkdir()
        (folder / paths.KERAS_MODEL.name).write_bytes(exported.keras)
        (folder / paths.EXPORTED_MODEL.name).write_bytes(exported.litert)
        write_text(folder / paths.MODEL_SUMMARY.name, exported.summary)
        write_json(folder / paths.MODEL_CARD.name, card)
        write_json(folder / REFERENCE_NAME, reference)
        np.save(folder / paths.SEEN_IMAGES.name, seen)
        seal(folder)
