"""Source idx: the four IDX files of MNIST and its family, in any height and width."""

from tasks.core.parameters import DataParameters
from tasks.images.arrays import parse_idx
from tasks.ingest.parameters import IdxParameters
from tasks.ingest.places import IdxFile, fetch_first, places_of
from tasks.ingest.source import Part, Source, publish


def read_idx(source: IdxParameters, data: DataParameters) -> Source:
    """Gets the files from the first place that has them."""
    files = fetch_first(places_of(source), source)
    hashes = {key: file.sha256 for key, file in files.items()}
    return publish(read_parts(files), source, data, sha256=hashes)


def read_parts(files: dict[str, IdxFile]) -> list[Part]:
    """The arrays in the four files."""
    parts = []
    for name in ("train", "test"):
        images, labels = (
            parse_idx(file.content, name=file.name, num_dimensions=number)
            for file, number in ((files[f"{name}_images"], 3), (files[f"{name}_labels"], 1))
        )
        parts.append(Part(name, (*images.shape, 1), images[..., None], labels))
    return parts
