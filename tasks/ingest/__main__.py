"""Stage ingest: data/raw from the source that params.yaml names.

python -m tasks.ingest
"""

from tasks import paths
from tasks.dataset import load_manifest
from tasks.files import replacing
from tasks.ingest.read import read_source, write_splits
from tasks.parameters import load_parameters
from tasks.stage import run_stage


def main() -> None:
    """Read, put in order, save."""
    parameters = load_parameters()
    source = read_source(parameters.ingest, parameters.data)
    with replacing(paths.RAW) as folder:
        faults = write_splits(source, folder, data=parameters.data)
    for line in faults:
        print(f"left out: {line}", flush=True)
    arrays = load_manifest()["arrays"]
    for name in ("train", "test"):
        print(f"{name}: {arrays[f'{name}_labels.npy']['shape'][0]:,} images", flush=True)


if __name__ == "__main__":
    run_stage("ingest", main)
