"""How long `ingest` takes with a table of pixels as large as Fashion-MNIST's, and how much memory.

    python -m benchmarks.tables

writes a table into docs/data.md. The images are made up: 60,000 of 28 × 28, grey, in ten classes,
as CSV with a column for each pixel, as CSV with all pixels in one cell, and as Parquet with a
column for each. The stage is a process of its own, just as DVC would start it. Takes a few minutes.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet
from ruamel.yaml import YAML

from benchmarks.growth import run_stage
from benchmarks.machine import describe_machine
from benchmarks.pages import fill

_NUMBER, _SIDE, _CLASSES = 60_000, 28, 10
_KINDS = {
    "CSV, a column for each pixel": ("columns.csv", "pixel*"),
    "CSV, all pixels in one cell": ("cells.csv", "pixels"),
    "Parquet, a column for each pixel": ("columns.parquet", "pixel*"),
}


def main() -> None:
    """Writes a Markdown table."""
    columns = "| 60,000 images as | file | processor time | own memory, peak |"
    lines = [describe_machine("numpy", "pyarrow"), "", columns, "|---|---:|---:|---:|"]
    with tempfile.TemporaryDirectory() as folder:
        write_tables(Path(folder))
        lines += measure(Path(folder))
    fill(Path("docs/data.md"), "pixels", "\n".join(lines))


def write_tables(folder: Path) -> None:
    """Writes the same images in each of the forms."""
    generator = np.random.default_rng(0)
    labels = np.arange(_NUMBER) % _CLASSES
    pixels = generator.integers(0, 256, (_NUMBER, _SIDE**2), np.uint8)
    pixels[generator.random(pixels.shape) < 0.5] = 0  # about as many as Fashion-MNIST has
    names = [f"pixel{number}" for number in range(_SIDE**2)]
    table = pa.table({"label": labels} | dict(zip(names, pixels.T.copy(), strict=True)))
    csv.write_csv(table, folder / "columns.csv")
    parquet.write_table(table, folder / "columns.parquet")
    cells = [" ".join(map(str, row)) for row in pixels.tolist()]
    csv.write_csv(pa.table({"label": labels, "pixels": cells}), folder / "cells.csv")


def measure(folder: Path) -> Iterator[str]:
    """Runs the stage for each form; gives the rows of the table."""
    for kind, (name, column) in _KINDS.items():
        write_parameters(folder, name, column)
        cost = run_stage("ingest", folder)
        row = (
            f"| {kind} | {(folder / name).stat().st_size / 2**20:.0f} MiB"
            f" | {cost.processor:.0f} s | {cost.own / 2**30:.2f} GiB |"
        )
        print(row, flush=True)
        yield row


def write_parameters(folder: Path, table: str, column: str) -> None:
    """Writes the two sections that the stage reads."""
    data = {"name": "made up", "classes": [str(label) for label in range(_CLASSES)]}
    data |= {"height": _SIDE, "width": _SIDE, "channels": 1}
    ingest = {"format": "table", "path": ".", "tables": {"train": [table]}, "header": True}
    ingest |= {"images": "pixels", "image_column": column, "file_names": "{}"}
    ingest |= {"label_column": "label", "labels": "numbers"}
    ingest |= {"split_column": None, "split_values": None, "max_faulty_share": 0.0}
    ingest |= {"size": "refuse", "background": None, "white": None}
    ingest |= {"test_share": 0.2, "test_seed": 0}
    content = {"data": data | {"train_images": None, "test_images": None}, "ingest": ingest}
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(content, file)


if __name__ == "__main__":
    main()
