"""Renders the README's results from the committed reports, so that no figure is typed by hand.

python -m docs.readme
"""

from pathlib import Path

import pandas as pd

from benchmarks.pages import fill
from tasks.core import paths
from tasks.evaluate.metrics import Metrics, read_metrics

README = Path("README.md")
RESULTS = "results"


def main() -> None:
    """Fills the README in."""
    metrics = read_metrics(paths.EVALUATION)
    history = pd.read_csv(paths.HISTORY)
    fill(README, RESULTS, describe_results(metrics, history))


def describe_results(metrics: Metrics, history: pd.DataFrame) -> str:
    """A Markdown table of the figures that matter."""
    low, high = metrics.accuracy_interval
    weakest = min(metrics.classes, key=lambda row: row.recall)
    best = history.iloc[int(history["val_loss"].argmin())]
    rows = [
        ("test accuracy", f"{metrics.accuracy:.2%} (95% interval {low:.2%} to {high:.2%})"),
        ("test images, seen once", f"{metrics.num_images:,}"),
        ("among the first two", f"{metrics.top_2_accuracy:.2%}"),
        ("macro F1", f"{metrics.macro_f1:.4f}"),
        ("loss", f"{metrics.loss:.4f}"),
        ("expected calibration error", f"{metrics.expected_calibration_error:.4f}"),
        ("weakest class", f"{weakest.name}, recall {weakest.recall:.1%}"),
        ("validation accuracy", f"{best['val_accuracy']:.2%}"),
        ("epochs", f"{len(history)}, the {int(best['epoch'])}th kept, chosen on validation"),
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


if __name__ == "__main__":
    main()
