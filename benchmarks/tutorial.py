"""Recipes against the tutorial's script: time of the whole process, and test accuracy.

    python -m benchmarks.tutorial run --seeds 5 [--recipes quick default]
    python -m benchmarks.tutorial table

needs data/prepared (dvc repro prepare). For each seed, the script runs, then each recipe, one after
the other. Each finished process is appended to benchmarks/results/tutorial.jsonl at once, so that a
run that was cut still counts. A recipe's time holds its imports, fit, export and check of the
exported model; its accuracy is that of the exported model, which `evaluate` measures afterwards.

A ratio divides a recipe's time by that of the script of the same seed, on the same machine. Beside
the time on the clock stands that of the processors, which other work on the machine disturbs less.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from ruamel.yaml import YAML

from benchmarks.machine import describe_machine
from benchmarks.pages import fill
from benchmarks.recipes import load_recipes
from tasks.core import paths
from tasks.core.parameters import PARAMETERS_PATH
from tasks.train.parameters import TrainParameters

PROJECT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results" / "tutorial.jsonl"
SCRIPT = "script"


def main() -> None:
    """Runs the pairs, or prints the table of those that have run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run")
    run.add_argument("--seeds", type=int, required=True)
    run.add_argument("--recipes", nargs="+", choices=load_recipes(), default=list(load_recipes()))
    commands.add_parser("table")
    arguments = parser.parse_args()
    if arguments.command == "table":
        text = render_table(pd.read_json(RESULTS, lines=True))
        print(text)
        fill(PROJECT / "docs" / "training.md", "recipes", text)
        return
    done = {(row["name"], row["seed"]) for row in read_results()}
    for seed in range(arguments.seeds):
        for name in [SCRIPT, *arguments.recipes]:
            if (name, seed) not in done:
                append(measure(name, seed))


def read_results() -> list[dict[str, object]]:
    """One per finished process."""
    if not RESULTS.exists():
        return []
    return [json.loads(line) for line in RESULTS.read_text("utf-8").splitlines()]


def append(result: dict[str, object]) -> None:
    """Adds a finished process to the results, and prints it."""
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(result) + "\n")
    print(json.dumps(result), flush=True)


def measure(name: str, seed: int) -> dict[str, object]:
    """Runs the script or a recipe in a folder of its own."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        copy_inputs(folder)
        if name == SCRIPT:
            command = ["benchmarks.tutorial_script", str(seed)]
            output, wall, processor = run_timed(folder, command)
            figures = json.loads(output.splitlines()[-1])
            recipe = {}
        else:
            recipe = write_parameters(folder, load_recipes()[name] | {"seed": seed})
            _, wall, processor = run_timed(folder, ["tasks.train"])
            run_timed(folder, ["tasks.evaluate"])
            card = json.loads((folder / paths.MODEL_CARD).read_text("utf-8"))
            metrics = json.loads((folder / paths.METRICS).read_text("utf-8"))
            epochs = len(pd.read_csv(folder / paths.HISTORY))
            figures = {
                "accuracy": metrics["accuracy"],
                "epochs": epochs,
                "validation_accuracy": card["validation_accuracy"],
            }
    return {
        "name": name,
        "seed": seed,
        **figures,
        "seconds": round(wall, 2),
        "processor_seconds": round(processor, 2),
        "recipe": recipe,
        "machine": describe_machine("tensorflow", "keras", "numpy"),
    }


def copy_inputs(folder: Path) -> None:
    """Copies what a training needs, the rivals' code included, but for its parameters."""
    for part in (paths.RAW, paths.PREPARED, Path("tasks"), Path("benchmarks")):
        shutil.copytree(PROJECT / part, folder / part)


def write_parameters(folder: Path, changes: dict[str, object]) -> dict[str, object]:
    """Writes params.yaml with a recipe; gives its section `train`."""
    parameters = YAML(typ="safe").load((PROJECT / PARAMETERS_PATH).read_text("utf-8"))
    parameters["train"] |= changes
    TrainParameters.model_validate(parameters["train"])
    with (folder / PARAMETERS_PATH).open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(parameters, file)
    return parameters["train"]


def run_timed(folder: Path, command: list[str]) -> tuple[str, float, float]:
    """Runs a module; gives its output, the seconds it took and those of the processors."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    completed = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, stdout=subprocess.PIPE, text=True, check=True
    )
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return completed.stdout, wall, processor


def render_table(results: pd.DataFrame) -> str:
    """A Markdown table: one row per recipe, over the seeds that have both it and the script."""
    script = results[results["name"] == SCRIPT].set_index("seed")
    rows = [
        "| recipe | n | epochs | test accuracy | spread | seconds | ratio | ratio, processors |",
        "|---|---|---|---|---|---|---|---|",
    ]
    order = [name for name in (SCRIPT, *load_recipes()) if name in set(results["name"])]
    for name in order:
        group = results[results["name"] == name]
        pairs = group.set_index("seed").join(script.add_suffix("_script"), how="inner")
        accuracy = pairs["accuracy"]
        ratios = [
            (pairs[column] / pairs[f"{column}_script"]).mean()
            for column in ("seconds", "processor_seconds")
        ]
        rows.append(
            f"| {name} | {len(pairs)} | {_range(pairs['epochs'])} | {accuracy.mean():.4f}"
            f" | {accuracy.min():.4f} to {accuracy.max():.4f} | {pairs['seconds'].mean():.0f}"
            f" | {ratios[0]:.2f} | {ratios[1]:.2f} |"
        )
    return "\n".join([*rows, "", *results["machine"].unique()])


def _range(values: pd.Series) -> str:
    low, high = int(values.min()), int(values.max())
    return str(low) if low == high else f"{low} to {high}"


if __name__ == "__main__":
    main()
