"""Changes to the code of training that were tried, and don't help.

    python -m benchmarks.ideas NAME

is `python -m tasks.train` with one of them; variants.py and throughput.py measure them.
"""

import sys
from typing import Any

from tasks.core.dataset import Selection
from tasks.runner.stage import run_stage
from tasks.train.__main__ import import_tensorflow
from tasks.train.__main__ import main as train
from tasks.train.parameters import TrainParameters
from workspace.check import check_parameters


def main() -> None:
    """Trains with the idea that is named."""
    import_tensorflow(check_parameters()["train"])
    IDEAS[sys.argv[1]]()
    run_stage("train", train)


def start_with_small_images() -> None:
    """The first half of the steps sees images of 20×20 pixels instead of 28×28."""
    import keras
    import tensorflow as tf

    from tasks.train import fit, learner
    from tasks.train.schedule import Batch, num_steps

    copy = learner._for_training

    def copy_for_any_size(network: keras.Model, precision: str) -> keras.Model:
        return copy_model(
            copy(network, precision), [keras.Input((None, None, network.input_shape[-1]))]
        )

    class GrowingLearner(learner.Learner):
        def __init__(
            self, network: keras.Model, training: Selection, *, parameters: TrainParameters
        ) -> None:
            super().__init__(network, training, parameters=parameters)
            steps = num_steps(len(training.positions), parameters.batch_size)
            self._small_steps = steps * parameters.epochs // 2

        def step(self, batch: Batch) -> tuple[float, int]:
            if self._small_steps == 0:
                self._step = tf.function(self._take_step)  # of the other shape
            self._small_steps -= 1
            return super().step(batch)

        def _take_step(
            self, images: tf.Tensor, positions: tf.Tensor, shifts: tf.Tensor, rate: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor]:
            if self._small_steps >= 0:
                images = tf.image.resize(images, (20, 20), antialias=True)
            return super()._take_step(images, positions, shifts, rate)

    learner._for_training = copy_for_any_size
    fit.Learner = GrowingLearner


def lay_channels_first() -> None:
    """The network in training has images as (n, channels, height, width)."""
    import keras
    from keras import layers

    from tasks.train import learner

    copy = learner._for_training

    def copy_channels_first(network: keras.Model, precision: str) -> keras.Model:
        def turn(layer: layers.Layer) -> layers.Layer:
            config = layer.get_config()
            if "data_format" in config:
                config["data_format"] = "channels_first"
            return type(layer).from_config(config)

        def call(layer: layers.Layer, features: Any, **options: Any) -> Any:
            features = layer(features, **options)
            return layers.Permute((3, 1, 2))(features) if layer.name == "scale" else features

        return copy_model(copy(network, precision), clone_function=turn, call_function=call)

    learner._for_training = copy_channels_first


def compile_with_xla() -> None:
    """XLA compiles the step, instead of TensorFlow's own executor running it."""
    import tensorflow as tf

    from tasks.train import fit, learner

    class CompiledLearner(learner.Learner):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self._step = tf.function(self._take_step, jit_compile=True)

    learner.Learner = fit.Learner = CompiledLearner


def pool_last() -> None:
    """The article's network has each ReLU before its pooling, as the article wrote it."""
    from keras import layers

    from tasks.train import networks

    def article(pixels: Any) -> Any:
        features = pixels
        for filters in (32, 64, 64):
            features = layers.Conv2D(filters, 3, activation="relu")(features)
            features = layers.MaxPooling2D(2)(features)
        return layers.Dense(512, activation="relu")(layers.Flatten()(features))

    networks.ARCHITECTURES["article"] = article


def copy_model(model: Any, *arguments: Any, **options: Any) -> Any:
    """Keras' clone_model, with the weights."""
    import keras

    options.setdefault("clone_function", lambda layer: type(layer).from_config(layer.get_config()))
    copied = keras.models.clone_model(model, *arguments, **options)
    copied.set_weights(model.get_weights())
    return copied


IDEAS = {
    idea.__name__: idea
    for idea in (
        start_with_small_images,
        lay_channels_first,
        compile_with_xla,
        pool_last,
    )
}

if __name__ == "__main__":
    main()
