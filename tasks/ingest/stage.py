"""Stage ingest: data/raw from the source that params.yaml names, whose format names its module.

python -m tasks.ingest
"""

from importlib import import_module
from pathlib import Path

from tasks.core import paths
from tasks.core.dataset import load_manifest, save_splits
from tasks.core.files import TEMPORARY_SUFFIX, replacing
from tasks.core.parameters import DataParameters, load_section
from tasks.images.errors import in_utf8
from tasks.ingest.address import local_path
from tasks.ingest.collect import arrange, collect, tally
from tasks.ingest.parameters import IngestParameters
from tasks.ingest.source import Source


def main() -> None:
    """Read, put in order, save."""
    data: DataParameters = load_section("data", DataParameters)
    ingest: IngestParameters = load_section("ingest", IngestParameters)
    copy = paths.RAW.with_name(f".source{TEMPORARY_SUFFIX}")
    with local_path(ingest.path, copy) as (path, tell), replacing(paths.RAW) as folder:
        source = read_source(ingest.model_copy(update={"path": path}), data)
        lines = write_splits(source, folder, data=data)
    for line in lines:
        print(tell(line), flush=True)
    arrays = load_manifest()["arrays"]
    for name in ("train", "test"):
        print(f"{name}: {arrays[f'{name}_labels.npy']['shape'][0]:,} images", flush=True)


def read_source(ingest: IngestParameters, data: DataParameters) -> Source:
    """The source that the parameters name: `read_NAME` of the module of its format's name."""
    module = import_module(f"tasks.ingest.{ingest.format}")
    return getattr(module, f"read_{ingest.format}")(ingest, data)


def write_splits(source: Source, folder: Path, *, data: DataParameters) -> list[str]:
    """Writes a source's images into an empty folder, as the other stages read them.

    The manifest counts what was left out and what was left aside, by its kind, without names. There
    is a line, in plain UTF-8, for each image that was left out, and for each kind left aside.
    """
    folder.mkdir(parents=True)
    spool = folder / "pixels"
    collection = collect(source, data=data, spool=spool)
    splits, faults = arrange(collection, source, classes=data.classes)
    origin = source.origin | {
        "input": source.policy.model_dump(),
        "left_out": dict(sorted(tally(faults).counts.items())),
        "left_aside": dict(sorted(source.aside.counts.items())),
    }
    save_splits(folder, splits, origin)
    spool.unlink()
    lines = [f"left out: {fault.error}" for fault in faults]
    lines += [f"left aside, {line}" for line in source.aside.describe()]
    return list(map(in_utf8, lines))
