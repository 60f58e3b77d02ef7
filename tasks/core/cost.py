"""What a training costs, estimated from the parameters before it starts.

Measured with `residual_deep`, the largest of the networks, in float32 on two cores; the others ask
for less. An estimate, to tell minutes from days and a machine's memory from more than it has.
"""

# TensorFlow itself; activations and gradients of a batch, per pixel; time, per pixel and epoch.
_FIXED_BYTES = 10**9
_BYTES_PER_PIXEL = 1000
_SECONDS_PER_PIXEL = 6e-7


def estimate_memory(
    *, height: int, width: int, channels: int, batch_size: int, num_images: int
) -> int:
    """The bytes of memory that training asks for.

    Args:
        height: of an image, in pixels.
        width: of an image, in pixels.
        channels: 1 or 3.
        batch_size: images in a step.
        num_images: that are trained on, and held as uint8.

    """
    num_pixels = height * width
    step = min(batch_size, num_images) * num_pixels * _BYTES_PER_PIXEL
    return _FIXED_BYTES + step + num_images * num_pixels * channels


def estimate_seconds(*, height: int, width: int, num_images: int, epochs: int) -> float:
    """The seconds that training takes on two cores."""
    return height * width * num_images * epochs * _SECONDS_PER_PIXEL
