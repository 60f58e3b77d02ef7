"""The steps of an epoch: order, augmentation, learning rate, all drawn from the seed."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tasks.train.parameters import TrainParameters


class Batch(NamedTuple):
    """What one step needs.

    Attributes:
        positions: (batch,) int32, of the images.
        mirrored: (batch,) bool.
        shifts: (batch, 2) int32, pixels down and to the right.
        rate: the learning rate.

    """

    positions: np.ndarray
    mirrored: np.ndarray
    shifts: np.ndarray
    rate: float


def plan_epoch(epoch: int, *, num_images: int, parameters: TrainParameters) -> Iterator[Batch]:
    """The steps of an epoch, a function of the seed and the epoch's number alone.

    Every batch has the same size; the images that are left over have their turn in another epoch,
    whose order is another one. An image that is mirrored in one epoch isn't in the next.

    Args:
        epoch: from 0.
        num_images: in the training split.
        parameters: the recipe.

    """
    size = min(parameters.batch_size, num_images)
    steps = num_steps(num_images, parameters.batch_size)
    fixed = np.random.default_rng([parameters.seed])
    mirrored = fixed.random(num_images) < 0.5
    generator = np.random.default_rng([parameters.seed, 1 + epoch])
    order = generator.permutation(num_images).astype(np.int32)
    limit = parameters.shift
    shifts = generator.integers(-limit, limit + 1, (num_images, 2), dtype=np.int32)
    for step in range(steps):
        positions = order[step * size : (step + 1) * size]
        yield Batch(
            positions=positions,
            mirrored=(mirrored[positions] ^ bool(epoch % 2)) & parameters.flip,
            shifts=shifts[positions],
            rate=parameters.learning_rate
            * relative_rate(
                epoch * steps + step,
                steps=parameters.epochs * steps,
                schedule=parameters.schedule,
                warmup_share=parameters.warmup_share,
            ),
        )


def relative_rate(step: int, *, steps: int, schedule: str, warmup_share: float) -> float:
    """The learning rate of a step as a share of the highest one, in (0, 1].

    Args:
        step: from 0.
        steps: of the whole training.
        schedule: constant, or one_cycle: up in a straight line, then down in one to almost 0.
        warmup_share: of the steps, in which one_cycle goes up.

    """
    if schedule == "constant":
        return 1.0
    middle = (step + 0.5) / steps
    return min(middle / warmup_share, (1 - middle) / (1 - warmup_share))


def num_steps(num_images: int, batch_size: int) -> int:
    """How many whole batches there are; one smaller one where there is none."""
    return max(num_images // batch_size, 1)
