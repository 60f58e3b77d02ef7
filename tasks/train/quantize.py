"""The trained network in 8-bit integers, which compute faster and alike on every processor.

What looks at the pixels stays in float32, as does what gives the scores. A convolution of one or
three channels is slower in integers, and both are where a rounded number costs most.
"""

import warnings
from collections import defaultdict
from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from tasks.runner.quiet import quiet

_WEIGHTED = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "CONV_3D"}


def convert_to_int8(classifier: keras.Model, images: np.ndarray) -> bytes | None:
    """A flatbuffer that takes and gives what the one in float32 does.

    Args:
        classifier: from (n, height, width, channels) uint8 images to (n, classes) probabilities.
        images: some of those it was trained on; from what they give, ranges of numbers are taken.

    Returns:
        The flatbuffer; None if nothing lies between the first weights and the last, or TensorFlow
        can't convert what lies there.

    """
    debug = tf.lite.experimental
    with quiet(), warnings.catch_warnings():
        # TensorFlow warns of its own use of an interpreter that has moved, and of statistics that
        # only graphs from before TensorFlow 2 need.
        warnings.simplefilter("ignore")
        converter = tf.lite.TFLiteConverter.from_keras_model(classifier)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([images[[row]]] for row in range(len(images)))
        try:
            debugger = debug.QuantizationDebugger(
                converter=converter, debug_dataset=converter.representative_dataset
            )
        except (ValueError, RuntimeError):  # nothing to quantize, or a kind unknown to it
            return None
        edges, num_inner = _find_edges(debugger.calibrated_model)
        if not num_inner:
            return None
        debugger.options = debug.QuantizationDebugOptions(denylisted_nodes=edges)
        return debugger.get_nondebug_quantized_model()


def _find_edges(model: bytes) -> tuple[list[str], int]:
    """The names of what is computed up to the first weights or from the last ones on.

    Also tells how many operations with weights lie between.
    """
    interpreter = Interpreter(model_content=model)
    names = {tensor["index"]: tensor["name"] for tensor in interpreter.get_tensor_details()}
    operations = interpreter._get_ops_details()
    from_input = _count_weighted(operations, "inputs", "outputs")
    to_output = _count_weighted(reversed(operations), "outputs", "inputs")
    edges, num_inner = [], 0
    for operation in operations:
        weighted = operation["op_name"] in _WEIGHTED
        first = all(from_input[tensor] <= 1 for tensor in operation["outputs"])
        last = all(to_output[tensor] == 0 for tensor in operation["outputs"])
        if first or last:
            edges += [names[tensor] for tensor in operation["outputs"]]
        else:
            num_inner += weighted
    return edges, num_inner


def _count_weighted(operations: Iterable[dict], source: str, target: str) -> dict[int, int]:
    """By tensor, the most operations with weights on a way to it, in the order that is given."""
    counts: dict[int, int] = defaultdict(int)
    for operation in operations:
        weighted = operation["op_name"] in _WEIGHTED
        most = max(counts[tensor] for tensor in operation[source]) + weighted
        for tensor in operation[target]:
            counts[tensor] = max(counts[tensor], most)
    return counts
