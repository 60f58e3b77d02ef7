"""Stage train: models/ from the training images, the best epoch chosen on the validation split.

python -m tasks.train
"""

import os

import numpy as np

from tasks import paths
from tasks.classifier import Classifier
from tasks.dataset import load_manifest, load_split
from tasks.errors import InputError
from tasks.files import replacing, write_json, write_text
from tasks.parameters import DataParameters, TrainParameters, load_parameters
from tasks.seal import seal, sealed
from tasks.stage import run_stage


def main() -> None:
    """Load, fit, export, save."""
    parameters = load_parameters()
    data, train = parameters.data, parameters.train
    split = load_split("train")
    training = np.load(sealed(paths.TRAINING, stage="prepare"), allow_pickle=False)
    validation = np.load(sealed(paths.VALIDATION_SPLIT, stage="prepare"), allow_pickle=False)
    pin_environment(train)

    from tasks.train.export import convert_to_litert, save_keras
    from tasks.train.fit import fit, pin_computation
    from tasks.train.networks import build_network

    pin_computation(train)
    network = build_network(
        train.architecture,
        image_shape=(data.height, data.width, data.channels),
        num_classes=len(data.classes),
    )
    validation_images, validation_labels = split.images[validation], split.labels[validation]
    history = fit(
        network,
        (split.images[training], split.labels[training]),
        (validation_images, validation_labels),
        parameters=train,
    )
    model = convert_to_litert(network)
    expected = network.predict(validation_images, batch_size=256, verbose=0)  # pyright: ignore[reportArgumentType]
    difference = check_parity(
        Classifier(model).predict(validation_images), expected, tolerance=train.export_tolerance
    )
    best = history.iloc[int(history["val_loss"].to_numpy().argmin())]

    lines: list[str] = []
    network.summary(line_length=88, print_fn=lambda line, **_: lines.append(line))
    card = make_card(data, train) | {
        "num_parameters": network.count_params(),
        "chosen_epoch": int(best["epoch"]),
        "validation_loss": float(best["val_loss"]),
        "validation_accuracy": float(best["val_accuracy"]),
        "export_difference": difference,
        "data": load_manifest()["origin"],
    }

    with replacing(paths.CANDIDATE) as folder:
        folder.mkdir()
        save_keras(network, folder / paths.KERAS_MODEL.name)
        (folder / paths.EXPORTED_MODEL.name).write_bytes(model)
        write_text(folder / paths.MODEL_SUMMARY.name, "\n".join(lines) + "\n")
        write_json(folder / paths.MODEL_CARD.name, card)
        seal(folder)
    write_text(paths.HISTORY, history.to_csv(index=False, lineterminator="\n"))
    print(f"chose epoch {int(best['epoch'])}, val_accuracy {best['val_accuracy']:.4f}", flush=True)


def pin_environment(parameters: TrainParameters) -> None:
    """Sets what TensorFlow reads from the environment, once, when it is imported."""
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = str(int(parameters.onednn))
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"


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
    """What a user of the model must know: its input, its classes, how it was trained."""
    from importlib.metadata import version

    return {
        "input": f"uint8 images (n, {data.height}, {data.width}, {data.channels}) in 0..255",
        "output": f"float32 probabilities (n, {len(data.classes)})",
        "classes": list(data.classes),
        "parameters": train.model_dump(),
        "versions": {name: version(name) for name in ("tensorflow", "keras", "numpy")},
    }


if __name__ == "__main__":
    run_stage("train", main)
