"""TensorFlow as the recipe wants it: what it reads from the environment, its seeds and threads."""

import os
from importlib import import_module

from tasks.core.processor import has_instructions
from tasks.runner.errors import InputError
from tasks.runner.quiet import quiet
from tasks.train.parameters import TrainParameters

TABLE_WIDTH = 88  # characters, of the layers' table


def set_up_tensorflow(parameters: TrainParameters) -> None:
    """Imports TensorFlow so that training is a function of its inputs; refuses a missing GPU."""
    _tell_what_is_faster(parameters)
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = str(int(parameters.onednn))
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    os.environ["COLUMNS"] = str(TABLE_WIDTH)  # else Keras' table is as wide as the terminal
    os.environ.pop("ONEDNN_MAX_CPU_ISA", None)
    if parameters.processor == "portable":
        os.environ["ONEDNN_MAX_CPU_ISA"] = "AVX2"
    if parameters.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    with quiet():
        tf = import_module("tensorflow")
        keras = import_module("keras")
        tf.config.threading.set_intra_op_parallelism_threads(parameters.threads)
        # Operations that don't need each other run side by side; no result depends on that.
        tf.config.threading.set_inter_op_parallelism_threads(parameters.threads)
        devices = tf.config.list_logical_devices("GPU")
    if parameters.device == "gpu" and not devices:
        raise InputError(
            "train.device is gpu, but TensorFlow finds none. Install a driver and"
            " tensorflow[and-cuda], or set train.device: cpu in params.yaml"
        )
    keras.utils.set_random_seed(parameters.seed)
    if parameters.deterministic:
        tf.config.experimental.enable_op_determinism()


def _tell_what_is_faster(parameters: TrainParameters) -> None:
    has_bfloat16 = has_instructions("avx512_bf16", "amx_bf16", "bf16")
    if parameters.precision == "bfloat16" and not has_bfloat16:
        print(
            "this processor has no instructions for bfloat16: with train.precision: float32 in"
            " params.yaml, training may be faster",
            flush=True,
        )
    if parameters.processor == "portable" and has_instructions("avx512f"):
        print(
            "this processor has AVX-512: with train.processor: native in params.yaml, training"
            " may be faster (docs/training.md says how much), and other bytes result",
            flush=True,
        )
