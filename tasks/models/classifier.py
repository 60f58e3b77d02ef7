"""The model that ships, run by LiteRT: no TensorFlow is imported."""

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from tasks.runner.errors import InputError
from tasks.runner.quiet import quiet

_BATCH_SIZE = 64  # what a layer gives then fits a cache


class Classifier:
    """Turns raw images into probabilities.

    Args:
        model: the bytes of an exported model.
        num_threads: how many threads compute.

    Raises:
        InputError: the bytes aren't such a model.

    """

    def __init__(self, model: bytes, *, num_threads: int = 2) -> None:
        try:
            with quiet():
                self._interpreter = Interpreter(model_content=model, num_threads=num_threads)
        except ValueError as error:
            raise InputError(f"This isn't an exported model: {error}") from None
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]
        self._batch_size = 0

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Height, width, channels."""
        return tuple(int(size) for size in self._input["shape"][1:])

    def predict(self, images: np.ndarray) -> np.ndarray:
        """(n, height, width, channels) uint8 images → (n, classes) float32 probabilities."""
        if images.dtype != np.uint8 or images.shape[1:] != self.image_shape:
            raise InputError(
                f"Received images {images.shape[1:]} of {images.dtype}; the model takes"
                f" {self.image_shape} of uint8"
            )
        starts = range(0, len(images), _BATCH_SIZE)
        batches = [self._predict_batch(images[start : start + _BATCH_SIZE]) for start in starts]
        empty = np.empty((0, self._output["shape"][-1]), np.float32)
        return np.concatenate([empty, *batches])

    def _predict_batch(self, images: np.ndarray) -> np.ndarray:
        if self._batch_size != len(images):
            self._interpreter.resize_tensor_input(self._input["index"], images.shape)
            with quiet():
                self._interpreter.allocate_tensors()
            self._batch_size = len(images)
        self._interpreter.set_tensor(self._input["index"], np.ascontiguousarray(images))
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output["index"])
