"""Builds the classifier around the network that train.architecture names."""

from importlib import import_module
from typing import Any

import keras
from keras import layers

from tasks.runner.errors import InputError
from tasks.train.parameters import locate_network


def build_network(
    architecture: str,
    *,
    image_shape: tuple[int, int, int],
    num_classes: int,
    precision: str = "float32",
) -> keras.Model:
    """Builds the classifier, with the scaling of pixels inside.

    Args:
        architecture: the name of a function in networks.py, or the dotted name of one elsewhere. It
            takes pixels, (n, height, width, channels) in 0..1, and returns either (n, classes)
            logits; or features of any shape, which are flattened and get a dense layer to logits;
            or a Keras model from pixels to one of the two.
        image_shape: height, width, channels.
        num_classes: of the logits.
        precision: in which its layers compute: float32 or bfloat16. Weights are float32.

    Returns:
        A model from (n, height, width, channels) in 0..255 to (n, num_classes) logits.

    Raises:
        InputError: there is no such function, or it can't build from such images.

    """
    function = _find_function(architecture)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if precision == "float32" else f"mixed_{precision}")
    try:
        images = keras.Input(image_shape, name="images")
        pixels = layers.Rescaling(1 / 255, name="scale")(images)
        features = function(pixels)
        logits = _to_logits(
            features(pixels) if isinstance(features, keras.Model) else features, num_classes
        )
        return keras.Model(images, logits, name=architecture.replace(".", "_"))
    except ValueError as error:
        height, width, channels = image_shape
        raise InputError(
            f"The network {architecture} can't be built for images of {height}×{width}×{channels}:"
            f" {' '.join(str(error).split())}. Name another one in train.architecture of"
            " params.yaml, or mend its function"
        ) from error
    finally:
        keras.config.set_dtype_policy(before)


def _to_logits(features: Any, num_classes: int) -> Any:
    if not isinstance(features, keras.KerasTensor):
        fault = f"it gives {type(features).__name__}; expected a Keras tensor or a model"
        raise ValueError(fault)  # noqa: TRY004 - told as all that keeps it from being built
    if len(features.shape) == 2 and features.shape[-1] == num_classes:
        if _is_softmax(features._keras_history.operation):
            raise ValueError("it gives probabilities; expected logits, without the softmax")
        return features
    if len(features.shape) > 2:
        features = layers.Flatten(name="features")(features)
    return layers.Dense(num_classes, name="logits")(features)


def _is_softmax(operation: Any) -> bool:
    while isinstance(operation, keras.Model) and operation.layers:
        operation = operation.layers[-1]
    activation = getattr(operation, "activation", None)
    return isinstance(operation, layers.Softmax) or activation is keras.activations.softmax


def _find_function(architecture: str) -> Any:
    module, name = locate_network(architecture)
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        fault = f"there is no module {error.name}"
    except AttributeError:
        fault = f"the module {module} has no function {name}"
    raise InputError(
        f"train.architecture is {architecture}, but {fault}. Mend the name in params.yaml; modules"
        " are looked for from the project's folder"
    )
