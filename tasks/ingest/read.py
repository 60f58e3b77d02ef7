"""From the parameters to data/raw: every source that `ingest.format` can name stands here."""

from pathlib import Path

from tasks.core.dataset import save_splits
from tasks.core.parameters import DataParameters
from tasks.ingest.collect import arrange, collect, tally
from tasks.ingest.folders import read_folders
from tasks.ingest.idx import read_idx
from tasks.ingest.npz import read_npz
from tasks.ingest.parameters import (
    FoldersParameters,
    IdxParameters,
    IngestParameters,
    NpzParameters,
    TableParameters,
)
from tasks.ingest.source import Source
from tasks.ingest.table import read_table


def read_source(ingest: IngestParameters, data: DataParameters) -> Source:
    """The source that the parameters name."""
    match ingest:
        case IdxParameters():
            return read_idx(ingest, data)
        case NpzParameters():
            return read_npz(ingest, data)
        case FoldersParameters():
            return read_folders(ingest, data)
        case TableParameters():
            return read_table(ingest, data)


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
