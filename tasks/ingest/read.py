"""From the parameters to data/raw: any source, whose format names its module."""

from importlib import import_module
from pathlib import Path

from tasks.core.dataset import save_splits
from tasks.core.parameters import DataParameters
from tasks.ingest.collect import arrange, collect, tally
from tasks.ingest.parameters import IngestParameters
from tasks.ingest.source import Source


def read_source(ingest: IngestParameters, data: DataParameters) -> Source:
    """The source that the parameters name: `read_NAME` of the module of its format's name."""
    module = import_module(f"tasks.ingest.{ingest.format}")
    return getattr(module, f"read_{ingest.format}")(ingest, data)


def write_splits(source: Source, folder: Path, *, data: DataParameters) -> list[str]:
    """Writes a source's images into an empty folder, as the other stages read them.

    The manifest counts what was left out and what was left aside, by its kind, without names.

    Returns:
        A line for each image that was left out, and for each kind of file that was left aside, in
        plain UTF-8.

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
    lines = [
        *(f"left out: {fault.error}" for fault in faults),
        *(f"left aside, {line}" for line in source.aside.describe()),
    ]
    return [line.encode("utf-8", "backslashreplace").decode("utf-8") for line in lines]
