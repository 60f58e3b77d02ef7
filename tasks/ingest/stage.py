"""Stage ingest: data/raw from the source that params.yaml names.

python -m tasks.ingest
"""

from tasks.core import paths
from tasks.core.dataset import load_manifest
from tasks.core.files import replacing
from tasks.core.parameters import DataParameters, load_section
from tasks.ingest.parameters import IngestParameters
from tasks.ingest.read import read_source, write_splits


def main() -> None:
    """Read, put in order, save."""
    data: DataParameters = load_section("data", DataParameters)
    source = read_source(load_section("ingest", IngestParameters), data)
    with replacing(paths.RAW) as folder:
        faults = write_splits(source, folder, data=data)
    for line in faults:
        print(f"left out: {line}", flush=True)
    arrays = load_manifest()["arrays"]
    for name in ("train", "test"):
        print(f"{name}: {arrays[f'{name}_labels.npy']['shape'][0]:,} images", flush=True)
