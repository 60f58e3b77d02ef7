"""Source idx: the four IDX files of MNIST and its family, in any height and width."""

from collections.abc import Iterator

import numpy as np

from tasks.core.dataset import SplitName
from tasks.core.parameters import DataParameters
from tasks.images.idx import parse_idx
from tasks.images.policy import ImagePolicy
from tasks.ingest.parameters import IdxParameters
from tasks.ingest.places import IdxFile, fetch_first, places_of
from tasks.ingest.source import Entry, Source
from tasks.runner.errors import InputError

_SPLITS: tuple[SplitName, ...] = ("train", "test")


def read_idx(source: IdxParameters, data: DataParameters) -> Source:
    """Gets the files from the first place that has them."""
    files = fetch_first(places_of(source), source)
    arrays: dict[SplitName, tuple[np.ndarray, np.ndarray]] = {
        split: _parse(files[f"{split}_images"], files[f"{split}_labels"], data) for split in _SPLITS
    }
    return Source(
        entries=_list_entries(arrays, source.first_label),
        published=True,
        max_faulty_share=0.0,
        test_choice=None,
        policy=ImagePolicy.exact(data),
        origin={
            "data_set": data.name,
            "format": "idx",
            "sha256": {key: file.sha256 for key, file in files.items()},
        },
    )


def _parse(images: IdxFile, labels: IdxFile, data: DataParameters) -> tuple[np.ndarray, np.ndarray]:
    pixels = parse_idx(images.content, name=images.name, num_dimensions=3)
    targets = parse_idx(labels.content, name=labels.name, num_dimensions=1)
    if (*pixels.shape[1:], 1) != (data.height, data.width, data.channels):
        raise InputError(
            f"{images.name} holds images of {pixels.shape[1]} × {pixels.shape[2]} pixels in 1"
            f" channel; params.yaml says data.height {data.height}, data.width {data.width},"
            f" data.channels {data.channels}"
        )
    if len(pixels) != len(targets):
        raise InputError(
            f"{images.name} holds {len(pixels):,} images, but {labels.name} {len(targets):,} labels"
        )
    return pixels[..., None], targets


def _list_entries(
    arrays: dict[SplitName, tuple[np.ndarray, np.ndarray]], first_label: int
) -> Iterator[Entry]:
    for split, (images, labels) in arrays.items():
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            name = f"{split} image {index}"
            yield Entry(name, int(label) - first_label, split, lambda image=image: image)
