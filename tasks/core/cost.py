"""What a training costs, estimated from the parameters before it starts.

Measured with `residual_deep`, the largest of the networks, in float32 on two cores; the others ask
for less. An estimate, to tell minutes from days and a machine's memory from more than it has.
"""

# TensorFlow itself; activations and gradients of a batch, per pixel; time, per pixel and epoch.
_FIXED_BYTES = 10**9
_BYTES_PER_PIXEL = 1000
_SECONDS_PER_PIXEL = 6e-7


def estimate_memory(*, height: int, width: int, batch_size: int, num_images: int) -> int:
    """The bytes of memory for training on images of so many pixels, which stay in their files."""
    return _FIXED_BYTES + height * width * min(batch_size, num_images) * _BYTES_PER_PIXEL


def estimate_seconds(*, height: int, width: int, num_images: int, epochs: int) -> float:
    """The seconds that training takes on two cores."""
    return height * width * num_images * epochs * _SECONDS_PER_PIXEL
