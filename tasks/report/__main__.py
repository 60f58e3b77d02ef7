"""Stage report: reports/report.html and report.md from what the other stages found.

python -m tasks.report
"""

import json
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from tasks import paths
from tasks.dataset import ImageSplit, load_split
from tasks.files import write_text
from tasks.parameters import load_parameters
from tasks.report.pictures import draw_confusion, draw_curves, draw_image
from tasks.seal import sealed
from tasks.stage import run_stage


def main() -> None:
    """Load, draw, render, save."""
    parameters = load_parameters()
    classes = parameters.data.classes
    metrics = json.loads(paths.METRICS.read_text(encoding="utf-8"))
    history = pd.read_csv(paths.HISTORY)
    card = json.loads(sealed(paths.MODEL_CARD, stage="train").read_text(encoding="utf-8"))
    predictions = pd.read_parquet(paths.PREDICTIONS)
    test = load_split("test")
    content: dict[str, Any] = {
        "data": parameters.data,
        "metrics": metrics,
        "card": card,
        "summary": paths.MODEL_SUMMARY.read_text(encoding="utf-8"),
        "validation": json.loads(paths.VALIDATION.read_text(encoding="utf-8")),
        "curves": draw_curves(history, chosen_epoch=card["chosen_epoch"]),
        "confusion": draw_confusion(metrics["confusion_matrix"], classes),
        "mistakes": find_mistakes(predictions, test, classes, number=parameters.report.mistakes),
    }
    environment = Environment(
        loader=PackageLoader("tasks.report"), autoescape=True, undefined=StrictUndefined
    )
    write_text(paths.REPORT_PAGE, environment.get_template("page.html.j2").render(content))
    write_text(paths.REPORT_TEXT, describe(metrics, parameters.data.name))
    print(f"wrote {paths.REPORT_PAGE}", flush=True)


def find_mistakes(
    predictions: pd.DataFrame, test: ImageSplit, classes: tuple[str, ...], *, number: int
) -> list[dict[str, object]]:
    """The mistakes that the model was surest of, most confident first."""
    wrong = predictions[predictions["label"] != predictions["predicted"]]
    surest = wrong.sort_values(["confidence", "index"], ascending=[False, True]).head(number)
    return [
        {
            "picture": draw_image(test.images[int(row["index"])]),
            "actual": classes[int(row["label"])],
            "predicted": classes[int(row["predicted"])],
            "confidence": float(row["confidence"]),
            "index": int(row["index"]),
        }
        for row in surest.to_dict(orient="records")
    ]


def describe(metrics: dict[str, Any], name: str) -> str:
    """The report as Markdown."""
    low, high = metrics["accuracy_interval"]
    headline = (
        f"Accuracy **{metrics['accuracy']:.4f}** [{low:.4f}, {high:.4f}] on"
        f" {metrics['num_images']:,} test images; macro F1 {metrics['macro_f1']:.4f}."
    )
    lines = [
        f"# {name}",
        "",
        headline,
        "",
        "| class | precision | recall | F1 | images |",
        "|---|---:|---:|---:|---:|",
    ]
    for label, row in metrics["classes"].items():
        lines.append(
            f"| {label} | {row['precision']:.3f} | {row['recall']:.3f} | {row['f1']:.3f}"
            f" | {row['support']} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_stage("report", main)
