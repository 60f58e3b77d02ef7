"""What Keras has no optimizer for: Muon for convolutions, and a rate that goes up once and down."""

from typing import Any

import keras

from tasks.train.parameters import TrainParameters


def make_optimizer(parameters: TrainParameters, *, num_steps: int) -> keras.optimizers.Optimizer:
    """The recipe's optimizer, schedule and averaging of weights, for so many steps in all."""
    rate: Any = parameters.learning_rate
    if parameters.schedule == "one_cycle":
        rate = OneCycle(parameters.learning_rate, num_steps, parameters.warmup_share)
    decay = parameters.weight_decay or None
    shared: dict[str, Any] = {"learning_rate": rate, "weight_decay": decay}
    if parameters.average_decay is not None:
        shared |= {"use_ema": True, "ema_momentum": parameters.average_decay}
    if parameters.optimizer == "adam":
        optimizer = keras.optimizers.Adam(beta_1=parameters.momentum, **shared)
    elif parameters.optimizer == "muon":
        shared |= {"momentum": parameters.momentum, "adam_weight_decay": decay}
        optimizer = ConvolutionMuon(parameters.precision, **shared)
    else:
        optimizer = keras.optimizers.SGD(momentum=parameters.momentum, nesterov=True, **shared)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Up in a straight line for the warm-up's share of the steps, then down in one to almost 0."""

    def __init__(self, highest: float, num_steps: int, warmup_share: float) -> None:
        self._highest, self._num_steps, self._share = highest, num_steps, warmup_share

    def __call__(self, step: Any) -> Any:
        """The learning rate of a step, counted from 0."""
        done: Any = keras.ops.cast(step, "float32")
        middle = (done + 0.5) / self._num_steps
        relative: Any = keras.ops.minimum(middle / self._share, (1 - middle) / (1 - self._share))
        return self._highest * relative


class ConvolutionMuon(keras.optimizers.Muon):
    """Keras' Muon for the kernels of convolutions, each as a matrix; Adam for all other weights.

    Keras leaves whatever isn't a matrix to Adam. Muon's author reshapes kernels, as here.
    Source: https://kellerjordan.github.io/posts/muon
    """

    def __init__(self, precision: str, **shared: Any) -> None:
        super().__init__(**shared)
        self._precision = precision

    def _should_use_adamw(self, variable: keras.Variable) -> bool:
        return len(variable.shape) != 4

    def zeropower_via_newtonschulz5(self, x: Any, steps: int) -> Any:
        """The nearest semi-orthogonal matrix, (height·width·incoming, outgoing), as a kernel.

        In the precision of the convolutions, as its author's: it is near, not exact, in any.
        """
        matrix: Any = keras.ops.cast(_as_matrix(x), self._precision)
        nearest = super().zeropower_via_newtonschulz5(matrix, steps)
        return keras.ops.cast(keras.ops.reshape(nearest, x.shape), x.dtype)

    def lr_adjust(self, x: Any) -> Any:
        """Scales an update by the larger side of its matrix, to the size of Adam's updates."""
        return keras.ops.reshape(super().lr_adjust(_as_matrix(x)), x.shape)


def _as_matrix(kernel: Any) -> Any:
    return keras.ops.reshape(kernel, (-1, kernel.shape[-1]))
