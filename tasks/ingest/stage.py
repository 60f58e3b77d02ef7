"""Stage ingest: data/raw from the source that params.yaml names.

python -m tasks.ingest
"""

from tasks.core import paths
from tasks.core.dataset import load_manifest
from tasks.core.files import replacing
from tasks.core.parameters import DataParameters, load_section
from tasks.ingest.address import local_path
from tasks.ingest.parameters import IngestParameters
from tasks.ingest.read import read_source, write_splits


def main() -> None:
    """Read, put in order, save."""
    data: DataParameters = load_section("data", DataParameters)
    ingest: IngestParameters = load_section("ingest", IngestParameters)
    with local_path(ingest.path) as path, replacing(paths.RAW) as folder:
        source = read_source(ingest.model_copy(update={"path": path}), data)
        lines = write_splits(source, folder, data=data)
    for line in lines:
        print(line, flush=True)
    arrays = load_manifest()["arrays"]
    for name in ("train", "test"):
        print(f"{name}: {arrays[f'{name}_labels.npy']['shape'][0]:,} images", flush=True)
