"""What each choice in a recipe is worth: one change at a time, judged on the validation split.

    python -m benchmarks.variants RECIPE

needs data/prepared (dvc repro prepare). Writes a table into docs/training.md, of the changes that
benchmarks/variants.yaml has for the recipe. A time is that of the processors, for the whole
process, as a ratio to the recipe as it is; that runs once more after the last change, which shows
how much of a ratio is noise.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

from benchmarks.machine import describe_machine
from benchmarks.pages import fill
from benchmarks.recipes import load_recipes
from benchmarks.tutorial import PROJECT, copy_inputs, run_timed, write_parameters
from tasks.core import paths

VARIANTS = Path(__file__).with_name("variants.yaml")
LEVERS = "benchmarks/levers.py"


def main() -> None:
    """Trains each variant in a folder of its own, then writes the table."""
    every: dict[str, dict[str, Any]] = YAML(typ="safe").load(VARIANTS.read_text("utf-8"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("recipe", choices=every)
    recipe: str = parser.parse_args().recipe
    variants = every[recipe]
    first = next(iter(variants))
    rows = [
        measure(recipe, name, changes)
        for name, changes in [*variants.items(), (f"{first}, again", {})]
    ]
    text = render_table(pd.DataFrame(rows))
    machine = describe_machine("tensorflow", "keras", "numpy")
    block = f"variants of {recipe}"
    fill(PROJECT / "docs" / "training.md", block, f"{text}\n\nOne seed. {machine}")


def measure(recipe: str, name: str, changes: dict[str, Any]) -> dict[str, object]:
    """Trains one variant of a recipe; gives its figures on the validation split."""
    if "architecture" in changes:
        changes = changes | {"network_file": LEVERS}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        copy_inputs(folder)
        write_parameters(folder, load_recipes()[recipe] | changes)
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
