"""Ten runs of a served deployment, and the pictures of what a reviewer then sees.

    python -m docs.history

needs data/raw (dvc repro ingest) and Chromium. In a workspace that is gone afterwards, a part of
Fashion-MNIST grows, labels and parameters change, one run fails, and the last model waits for a
person's decision; the deployment is served as `pipeline serve` does it. The pictures go into
docs/pictures, those for a look at every width and ground into a folder of the system's.
"""

import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np

from docs.gallery import FOLDER, Picture, take
from tasks.core.dataset import ImageSplit, load_split
from tests.browser import browsing
from tests.conftest import make_workspace, read_small_parameters, write_parameters
from tests.fixtures.make import write_idx
from tests.flows.service import Service, serving
from tests.ports import free_port
from workspace.archive import ARCHIVE, CHANGES_NAME, read_runs
from workspace.overview import PAGE_NAME

_TEST_IMAGES = 2_000
_LOOK = Path(tempfile.gettempdir()) / "history"

# name: what changes, in `params.yaml` by dotted keys, or in the images.
RUNS: tuple[dict[str, object], ...] = (
    {},
    {"train.epochs": 2},
    {"images": 6_000},
    {"train.learning_rate": 1e-4},
    {"train.learning_rate": 0.02, "validate.min_spread": 200.0},
    {"validate.min_spread": 1.0, "images": 9_000},
    {"relabelled": 60},
    {"train.average_decay": 0.99, "relabelled": 0},
    {"test_from": 500, "images": 12_000},
    {"gate.promotes": "after_approval", "train.epochs": 4, "train.average_decay": None},
)


def main() -> None:
    """Runs, then takes the pictures."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "workspace"
        for number, state in enumerate(run_all(root), start=1):
            print(f"run {number}: {state}", flush=True)
        runs = read_runs(root / ARCHIVE)
        shown = [run.name for run in runs if (root / ARCHIVE / run.name / CHANGES_NAME).exists()]
        pages = {"overview": root / ARCHIVE / PAGE_NAME}
        pages["changes"] = root / ARCHIVE / shown[-1] / CHANGES_NAME
        _LOOK.mkdir(exist_ok=True)
        with browsing() as browser:
            for page, width, scheme in product(pages, (390, 1440), ("light", "dark")):
                picture = Picture(f"{page}-{width}-{scheme}", "body", width, scheme)
                content = take(browser, picture, pages[page].as_uri())
                (_LOOK / f"{picture.name}.png").write_bytes(content)
                if (width, scheme) == (1440, "light"):
                    (FOLDER / f"{page}.png").write_bytes(content)
    print(f"{FOLDER}; at every width, on both grounds: {_LOOK}")


def run_all(root: Path) -> Iterator[str]:
    """The state of each run, one after the other."""
    parameters = read_small_parameters()
    parameters["data"] |= {"train_images": None, "test_images": None}
    parameters["train"] |= {"architecture": "light", "epochs": 1}
    parameters["validate"]["share_tolerance"] = 0.05
    parameters["gate"] |= {"min_accuracy": None, "min_recall": None, "max_calibration_error": None}
    parameters["gate"]["accepts"] = "better"
    make_workspace(root, parameters)
    images = {"images": 3_000, "relabelled": 0, "test_from": 0}
    write_images(root, **images)
    with serving(root, free_port()) as client:
        service = Service(root, client)
        service.set_schedule(active=False)
        for changes in RUNS:
            for key, value in changes.items():
                section, _, name = key.partition(".")
                if name:
                    parameters[section][name] = value
                else:
                    images[key] = int(str(value))
            write_images(root, **images)
            write_parameters(root, parameters)
            run = service.start_run()
            yield f"{service.finish_run(run).state_name}, {service.outcomes(run)}"


def write_images(root: Path, *, images: int, relabelled: int, test_from: int) -> None:
    """The first images of Fashion-MNIST, with some wrong labels, and a part of its test images."""
    train, test = (load_split(name) for name in ("train", "test"))
    labels = np.array(train.labels[:images])
    labels[:relabelled] = (labels[:relabelled] + 1) % 10
    stop = test_from + _TEST_IMAGES
    parts = {
        "train": ImageSplit(train.images[:images], labels),
        "t10k": ImageSplit(test.images[test_from:stop], test.labels[test_from:stop]),
    }
    for name, part in parts.items():
        folder = root / "data" / "source"
        write_idx(folder / f"{name}-images-idx3-ubyte.gz", np.asarray(part.images)[..., 0])
        write_idx(folder / f"{name}-labels-idx1-ubyte.gz", np.asarray(part.labels))


if __name__ == "__main__":
    main()
