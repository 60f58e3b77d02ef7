"""What training on several machines would give: TensorFlow's strategy on one and two processes.

    python -m benchmarks.several_machines

writes the table into docs/cluster.md. Each process has one thread and stands for a machine; they
share the global batch, and the network is loopback, faster than any other. Keras' own `fit` refuses
this strategy, so the loop is one of TensorFlow's. Needs a quiet machine of two cores; a minute.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe_machine
from benchmarks.pages import fill
from tests.ports import free_port
from workspace.check import check_parameters

_STEPS = 100
_WARM = 10
_REPEATED = 2


def main() -> None:
    """Measures, and fills the page."""
    train = check_parameters()["train"]
    rows = [
        f"| {train.architecture}, batches of {train.batch_size} | images/s | speed-up | repeats |",
        "|---|---:|---:|---|",
    ]
    alone = 0.0
    for name, number in (("one process", 0), ("one worker", 1), ("two workers", 2)):
        runs = [train_on(number) for _ in range(_REPEATED)]
        rate = max(float(run["rate"]) for run in runs)
        alone = alone or rate
        same = "same weights" if len({run["weights"] for run in runs}) == 1 else "other weights"
        rows.append(f"| {name} | {rate:,.0f} | {rate / alone:.2f} | {same} |")
    text = "\n".join([*rows, "", describe_machine("tensorflow", "keras")])
    print(text)
    fill(Path("docs/cluster.md"), "several machines", text)


def train_on(number: int) -> dict[str, Any]:
    """What the first of some workers has measured; 0 is one process without a strategy."""
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(number)]
    processes = []
    for index in range(max(number, 1)):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        variables = os.environ | ({"TF_CONFIG": json.dumps(task)} if number else {})
        command = [sys.executable, "-m", "benchmarks.several_machines", "work"]
        processes.append(
            subprocess.Popen(
                command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        )
    outputs = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        sys.exit(f"a worker of {number} has ended: {outputs}")
    return json.loads(outputs[0].splitlines()[-1])


def work() -> None:
    """Trains for some steps on noise; tells images per second, and a hash of the weights."""
    recipe = check_parameters()["train"]
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    distribute: Any = tf.distribute
    several = "TF_CONFIG" in os.environ  # a strategy must be there before Keras computes
    strategy = distribute.MultiWorkerMirroredStrategy() if several else distribute.get_strategy()

    import keras

    from tasks.train.build import build_network

    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()
    share = recipe.batch_size // strategy.num_replicas_in_sync
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (share, 28, 28, 1)).astype(np.float32)
    images, labels = tf.constant(pixels), tf.constant(generator.integers(0, 10, share))
    with strategy.scope():
        network = build_network(recipe.architecture, image_shape=(28, 28, 1), num_classes=10)
        optimizer = keras.optimizers.Adam(1e-3)
        optimizer.build(network.trainable_variables)

    def step() -> None:
        with tf.GradientTape() as tape:
            logits = network(images, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_sum(losses) / recipe.batch_size
        variables = network.trainable_variables
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        summed = tf.distribute.get_replica_context().all_reduce("sum", gradients)
        optimizer.apply(summed, variables)

    @tf.function
    def steps(number: tf.Tensor) -> None:
        for _ in tf.range(number):
            strategy.run(step)

    steps(tf.constant(_WARM))
    started = time.perf_counter()
    steps(tf.constant(_STEPS))
    seconds = time.perf_counter() - started
    digest = hashlib.sha256(b"".join(weights.tobytes() for weights in network.get_weights()))
    rate = recipe.batch_size * _STEPS / seconds
    print(json.dumps({"rate": rate, "weights": digest.hexdigest()}))


if __name__ == "__main__":
    work() if sys.argv[1:] == ["work"] else main()
