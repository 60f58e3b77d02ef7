"""Source idx: the four IDX files of MNIST and its family, in any height and width."""

from collections.abc import Iterator

import numpy as np

from tasks.core.dataset import SplitName
from tasks.core.parameters import DataParameters
from tasks.images.idx import parse_idx
from tasks.images.policy import ImagePolicy
from tasks.ingest.parameters import IdxParameters
from tasks.ingest.places import IdxFiles, fetch_first, places_of
from tasks.ingest.source import Entry, Source
from tasks.runner.errors import InputError

_PREFIXES: dict[SplitName, str] = {"train": "train", "test": "t10k"}


def read_idx(source: IdxParameters, data: DataParameters) -> Source:
    """Gets the files from the first place that has them."""
    files = fetch_first(places_of(source), source.sha256)
    arrays: dict[SplitName, tuple[np.ndarray, np.ndarray]] = {
        name: _read_split(files, prefix, data) for name, prefix in _PREFIXES.items()
    }
    return Source(
        entries=_list_entries(arrays),
        published=True,
        max_faulty_share=0.0,
        test_choice=None,
        policy=ImagePolicy.exact(data),
        origin={"data_set": data.name, "format": "idx", "sha256": files.sha256},
    )


def _read_split(
    files: IdxFiles, prefix: str, data: DataParameters
) -> tuple[np.ndarray, np.ndarray]:
    images, labels = f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"
    pixels = parse_idx(files.content[images], name=images, num_dimensions=3)
    targets = parse_idx(files.content[labels], name=labels, num_dimensions=1)
    if (*pixels.shape[1:], 1) != (data.height, data.width, data.channels):
        raise InputError(
            f"{images} holds images of {pixels.shape[1]} × {pixels.shape[2]} pixels in 1 channel;"
            f" params.yaml says data.height {data.height}, data.width {data.width}, data.channels"
            f" {data.channels}"
        )
    if len(pixels) != len(targets):
        raise InputError(
            f"{images} holds {len(pixels):,} images, but {labels} {len(targets):,} labels"
        )
    return pixels[..., None], targets


def _list_entries(arrays: dict[SplitName, tuple[np.ndarray, np.ndarray]]) -> Iterator[Entry]:
    for split, (images, labels) in arrays.items():
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            yield Entry(f"{split} image {index}", int(label), split, lambda image=image: image)
