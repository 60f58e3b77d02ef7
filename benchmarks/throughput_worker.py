"""Trains the article's network for some steps whenever a line arrives; used by throughput.py.

    PYTHONPATH=CHECKOUT python benchmarks/throughput_worker.py KIND [PARAMETER=VALUE ...]

Each answer is a line of JSON: images (or floating-point operations), seconds, processor_seconds.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

BATCH_SIZE = 128
NUM_STEPS = 200  # an epoch: what a call costs once counts for little, as in a training
NUM_IMAGES = BATCH_SIZE * NUM_STEPS
THREADS = 2
MATRIX_SIZE = 2048
NUM_PRODUCTS = 3


def main() -> None:
    """Prepares one kind of work, then does it once per line."""
    kind, *settings = sys.argv[1:]
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (NUM_IMAGES, 28, 28, 1), dtype=np.uint8)
    labels = generator.integers(0, 10, NUM_IMAGES).astype(np.uint8)
    work, amount = KINDS[kind](images, labels, [setting.split("=") for setting in settings])
    work()
    print("ready", flush=True)
    for _ in sys.stdin:
        work()  # what was idle has to warm up: memory, caches, the processor's clock
        started, processor = time.perf_counter(), time.process_time()
        work()
        result = {
            "amount": amount,
            "seconds": time.perf_counter() - started,
            "processor_seconds": time.process_time() - processor,
        }
        print(json.dumps(result), flush=True)


def prepare_pipeline(
    images: np.ndarray, labels: np.ndarray, settings: list[list[str]]
) -> tuple[Callable[[], object], float]:
    """An epoch of the pipeline's training, which is Keras' `fit`."""
    from tasks.core.dataset import ImageSplit
    from tasks.train.computation import set_up_tensorflow
    from workspace.check import check_parameters

    recipe = change_recipe(check_parameters()["train"], settings)
    set_up_tensorflow(recipe)

    from tasks.train.batches import Batches
    from tasks.train.build import build_network
    from tasks.train.fit import compile_network

    network = build_network(
        recipe.architecture,
        image_shape=(28, 28, 1),
        num_classes=10,
        precision=recipe.precision,
    )
    batches = Batches(ImageSplit(images, labels).all(), num_classes=10, parameters=recipe)
    model = compile_network(network, recipe, steps_per_epoch=len(batches))
    return lambda: model.fit(batches.as_dataset(), shuffle=False, verbose=0), len(images)  # pyright: ignore[reportArgumentType]


def prepare_loop(
    images: np.ndarray, labels: np.ndarray, settings: list[list[str]]
) -> tuple[Callable[[], object], float]:
    """An epoch of the loop that commit 7247929 trains by, whose modules are found first."""
    from tasks.dataset import ImageSplit  # pyright: ignore[reportMissingImports]
    from tasks.parameters import load_parameters  # pyright: ignore[reportMissingImports]

    from tasks.train.__main__ import import_tensorflow  # pyright: ignore[reportAttributeAccessIssue]

    recipe = change_recipe(load_parameters().train, settings)
    import_tensorflow(recipe)

    from tasks.train.learner import Learner  # pyright: ignore[reportMissingImports]
    from tasks.train.schedule import plan_epoch  # pyright: ignore[reportMissingImports]

    from tasks.train.fit import pin_computation  # pyright: ignore[reportAttributeAccessIssue]
    from tasks.train.networks import build_network  # pyright: ignore[reportAttributeAccessIssue]

    pin_computation(recipe)
    network = build_network(recipe.architecture, image_shape=(28, 28, 1), num_classes=10)
    learner = Learner(network, ImageSplit(images, labels).all(), parameters=recipe)
    return lambda: [
        learner.step(batch) for batch in plan_epoch(0, num_images=len(images), parameters=recipe)
    ], len(images)


def change_recipe(recipe: Any, settings: list[list[str]]) -> Any:
    """The recipe of a checkout's params.yaml, for the article's network unless settings differ."""
    return type(recipe).model_validate(
        recipe.model_dump()
        | {"batch_size": BATCH_SIZE, "architecture": "article", "threads": THREADS}
        | {"precision": "float32", "flip": False, "optimizer": "adam"}
        | {name: json.loads(value) for name, value in settings}
    )


def prepare_torch(
    images: np.ndarray, labels: np.ndarray, settings: list[list[str]]
) -> tuple[Callable[[], object], float]:
    """An epoch in PyTorch: the same network, batch and optimizer, in the channels-last layout."""
    import torch  # pyright: ignore[reportMissingImports]
    from torch import nn  # pyright: ignore[reportMissingImports]

    torch.set_num_threads(THREADS)
    stages: list = []
    for incoming, filters in ((1, 32), (32, 64), (64, 64)):
        stages += [nn.Conv2d(incoming, filters, 3), nn.MaxPool2d(2), nn.ReLU()]
    network = nn.Sequential(
        *stages, nn.Flatten(), nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 10)
    ).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.001, fused=True)
    all_images = torch.from_numpy(images).permute(0, 3, 1, 2)
    all_labels = torch.from_numpy(labels).long()
    half = ["precision", '"bfloat16"'] in settings

    def work() -> None:
        for positions in torch.randperm(len(images)).split(BATCH_SIZE):
            pixels = all_images[positions].float().div_(255)
            pixels = pixels.contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                logits = network(pixels)
            loss = nn.functional.cross_entropy(logits.float(), all_labels[positions])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            loss.item()

    return work, len(images)


def prepare_products(
    images: np.ndarray, labels: np.ndarray, settings: list[list[str]]
) -> tuple[Callable[[], object], float]:
    """Products of large float32 matrices: what the machine can do at most."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    matrix = tf.random.normal((MATRIX_SIZE, MATRIX_SIZE))
    return lambda: [
        tf.linalg.matmul(matrix, matrix).numpy() for _ in range(NUM_PRODUCTS)
    ], 2.0 * MATRIX_SIZE**3 * NUM_PRODUCTS


KINDS = {
    "pipeline": prepare_pipeline,
    "loop": prepare_loop,
    "torch": prepare_torch,
    "products": prepare_products,
}

if __name__ == "__main__":
    main()
