"""Renders the README's figures from docs/results.json, so that none is typed by hand.

python -m docs.readme

`python -m benchmarks.first_run` writes that file; what the last run left is never read.
"""

import json
from pathlib import Path
from typing import Any

from benchmarks.first_run import RESULTS
from benchmarks.pages import fill

README = Path("README.md")


def main() -> None:
    """Fills the README in."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    for name, text in render(results).items():
        fill(README, name, text)


def render(results: dict[str, Any]) -> dict[str, str]:
    """Slot of the README → what stands there."""
    return {"results": describe_results(results), "costs": describe_costs(results)}


def describe_results(results: dict[str, Any]) -> str:
    """A Markdown table of how good the model is, and where that was measured."""
    metrics, history = results["metrics"], results["history"]
    low, high = metrics["accuracy_interval"]
    weakest = min(metrics["classes"], key=lambda row: row["recall"])
    best = min(history, key=lambda epoch: epoch["val_loss"])
    interval = f"{metrics['interval_confidence']:.0%} interval {low:.2%} to {high:.2%}"
    return _make_table(
        {
            "test accuracy": f"{metrics['accuracy']:.2%} ({interval})",
            "test images, seen once": f"{metrics['num_images']:,}",
            "among the first two": f"{metrics['top_2_accuracy']:.2%}",
            "macro F1": f"{metrics['macro_f1']:.4f}",
            "loss": f"{metrics['loss']:.4f}",
            "expected calibration error": f"{metrics['expected_calibration_error']:.4f}",
            "weakest class": f"{weakest['name']}, recall {weakest['recall']:.1%}",
            "validation accuracy": f"{best['val_accuracy']:.2%}",
            "epochs": f"{len(history)}, number {best['epoch']} kept, chosen on validation",
        }
    )


def describe_costs(results: dict[str, Any]) -> str:
    """A Markdown table of what the first commands take, and where that was measured."""
    sizes = {name: f"{size / 1000:.1f} GB" for name, size in results["megabytes"].items()}
    seconds = {name: f"{count} s" for name, count in results["seconds"].items()}
    apart = ", ".join(f"{name} {seconds[name]}" for name in ("download", "install", "compile"))
    whole = results["seconds"]["environment"] + results["seconds"]["pipeline"]
    return _make_table(
        {
            "from a clone to the report": f"{whole // 60} min {whole % 60} s",
            "of which the environment takes": f"{seconds['environment']} ({apart}, each alone)",
            "disk, what running needs": sizes["running"],
            "disk, what testing adds": sizes["testing"],
            "disk, data and models of the run": sizes["run"],
            "measured": f"{results['date']}, commit {results['commit']}; {results['machine']}",
        }
    )


def _make_table(rows: dict[str, str]) -> str:
    return "\n".join(
        ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]
    )


if __name__ == "__main__":
    main()
