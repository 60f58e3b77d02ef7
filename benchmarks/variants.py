"""What each choice in a recipe is worth: one change at a time, judged on the validation split.

    python -m benchmarks.variants

needs data/prepared (dvc repro prepare). Writes a table into docs/training.md. A time is that of
the processors, for the whole process, as a ratio to the recipe as it is; that runs once more after
the last change, which shows how much of a ratio is noise.
"""

import json
import tempfile
from pathlib import Path

import pandas as pd
from ruamel.yaml import YAML

from benchmarks.machine import describe_machine
from benchmarks.pages import fill
from benchmarks.recipes import load_recipes
from benchmarks.tutorial import PROJECT, copy_inputs, run_timed, write_parameters
from tasks.core import paths

VARIANTS = Path(__file__).with_name("variants.yaml")
BASE = "quick"


def main() -> None:
    """Trains each variant in a folder of its own, then writes the table."""
    variants: dict[str, dict[str, object]] = YAML(typ="safe").load(VARIANTS.read_text("utf-8"))
    first = next(iter(variants))
    rows = [
        measure(name, changes) for name, changes in [*variants.items(), (f"{first}, again", {})]
    ]
    text = render_table(pd.DataFrame(rows))
    machine = describe_machine("tensorflow", "keras", "numpy")
    fill(PROJECT / "docs" / "training.md", "variants", f"{text}\n\nOne seed. {machine}")


def measure(name: str, changes: dict[str, object]) -> dict[str, object]:
    """Trains one variant; gives its figures on the validation split."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        copy_inputs(folder)
        write_parameters(folder, load_recipes()[BASE] | changes)
        _, _, processor = run_timed(folder, ["tasks.train"])
        card = json.loads((folder / paths.MODEL_CARD).read_text("utf-8"))
    row = {
        "name": name,
        "accuracy": card["validation_accuracy"],
        "loss": card["validation_loss"],
        "processor_seconds": processor,
    }
    print(json.dumps(row), flush=True)
    return row


def render_table(rows: pd.DataFrame) -> str:
    """A Markdown table; times are ratios to the first row."""
    lines = ["| change | validation accuracy | loss | time |", "|---|---|---|---|"]
    ratios = rows["processor_seconds"] / rows["processor_seconds"].iloc[0]
    for (_, row), ratio in zip(rows.iterrows(), ratios, strict=True):
        lines.append(f"| {row['name']} | {row['accuracy']:.4f} | {row['loss']:.4f} | {ratio:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
