"""Stage train: models/ from the training images, the best epoch chosen on the validation split.

python -m tasks.train
"""

import os
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import numpy as np

from tasks.core import paths
from tasks.core.dataset import Selection, load_manifest, load_split
from tasks.core.files import replacing, write_json, write_text
from tasks.core.parameters import DataParameters, load_section
from tasks.core.seal import seal, sealed
from tasks.drift.reference import REFERENCE_NAME, summarize
from tasks.images.statistics import describe_images
from tasks.models.classifier import Classifier
from tasks.runner.errors import InputError
from tasks.runner.quiet import quiet
from tasks.train.checkpoint import Checkpoint, training_key
from tasks.train.parameters import TrainParameters


def main() -> None:
    """Load, fit, export, save."""
    data: DataParameters = load_section("data", DataParameters)
    train: TrainParameters = load_section("train", TrainParameters)
    training, held_out = load_selections()
    validation = held_out.copy()
    import_tensorflow(train)

    from tasks.train.export import convert_to_litert, make_served, save_keras, tabulate_layers
    from tasks.train.fit import Validator, fit, pin_computation
    from tasks.train.networks import build_network
    from tasks.train.whitening import whiten_first_convolution

    pin_computation(train)
    network = build_network(
        train.architecture,
        image_shape=(data.height, data.width, data.channels),
        num_classes=len(data.classes),
    )
    if train.whitening:
        whiten_first_convolution(network, training)
    served = make_served(network, mirror=train.mirror)
    key = training_key(
        parameters=train.model_dump_json(),
        images=load_manifest()["arrays"],
        splits=[training.positions, held_out.positions],
    )
    checkpoint = Checkpoint(key)
    validate = Validator(served, validation)
    history = fit(
        network,
        validate,
        training=training,
        parameters=train,
        checkpoint=checkpoint,
    )
    model = convert_to_litert(served)
    probabilities = Classifier(model, num_threads=train.threads).predict(validation.images)
    difference = check_parity(
        probabilities,
        validate.predict(),
        tolerance=train.export_tolerance,
    )
    best = history.iloc[int(history["val_loss"].to_numpy().argmin())]
    card = make_card(data, train) | {
        "num_parameters": network.count_params(),
        "chosen_epoch": int(best["epoch"]),
        "training_images": len(training.labels),
        "validation_images": len(validation.labels),
        "validation_loss": float(best["val_loss"]),
        "validation_accuracy": float(best["val_accuracy"]),
        "export_difference": difference,
    }
    with replacing(paths.CANDIDATE) as folder:
        folder.mkdir()
        save_keras(network, folder / paths.KERAS_MODEL.name)
        (folder / paths.EXPORTED_MODEL.name).write_bytes(model)
        write_text(folder / paths.MODEL_SUMMARY.name, tabulate_layers(network))
        write_json(folder / paths.MODEL_CARD.name, card)
        statistics = describe_images(training.source.images)
        seen = np.concatenate([training.positions, held_out.positions])
        np.save(folder / paths.SEEN_IMAGES.name, np.unique(statistics["content"].to_numpy()[seen]))
        statistics = statistics.iloc[training.positions]
        write_json(folder / REFERENCE_NAME, summarize(statistics, probabilities))
        seal(folder)
    write_text(paths.HISTORY, history.to_csv(index=False, lineterminator="\n"))
    checkpoint.remove()
    print(f"chose epoch {int(best['epoch'])}, val_accuracy {best['val_accuracy']:.4f}", flush=True)


def load_selections() -> tuple[Selection, Selection]:
    """The images to train on and those to validate on."""
    split = load_split("train")
    training, validation = (
        np.load(sealed(path, stage="prepare"), allow_pickle=False)
        for path in (paths.TRAINING, paths.VALIDATION_SPLIT)
    )
    return Selection(split, training), Selection(split, validation)


def import_tensorflow(parameters: TrainParameters) -> None:
    """Imports TensorFlow, after what it reads from the environment has been set."""
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = str(int(parameters.onednn))
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    if parameters.precision == "bfloat16" and not has_bfloat16(Path("/proc/cpuinfo")):
        print(
            "this processor has no instructions for bfloat16: with train.precision: float32 in"
            " params.yaml, training may be faster",
            flush=True,
        )
    with quiet():
        import_module("tensorflow")


def has_bfloat16(processors: Path) -> bool:
    """Whether the processor multiplies bfloat16 itself, as Linux lists its abilities."""
    if not processors.exists():
        return False
    words = processors.read_text(encoding="utf-8", errors="replace").split()
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(words)


def check_parity(exported: np.ndarray, expected: np.ndarray, *, tolerance: float) -> float:
    """The largest difference between two (n, classes) arrays of probabilities.

    Raises:
        InputError: it exceeds the tolerance, so that the exported model isn't the trained one.

    """
    difference = float(np.abs(exported - expected).max())
    if not difference <= tolerance:
        raise InputError(
            f"The exported model differs from the trained one by {difference:.2g} in a probability;"
            f" train.export_tolerance in params.yaml allows {tolerance:.2g}"
        )
    return difference


def make_card(data: DataParameters, train: TrainParameters) -> dict[str, object]:
    """What a user of the model must know: its input, its classes, how it was trained, on what."""
    return {
        "input": f"uint8 images (n, {data.height}, {data.width}, {data.channels}) in 0..255",
        "output": f"float32 probabilities (n, {len(data.classes)})",
        "classes": list(data.classes),
        "parameters": train.model_dump(),
        "versions": {name: version(name) for name in ("tensorflow", "keras", "numpy")},
        "data": load_manifest(),
    }
