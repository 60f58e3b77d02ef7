"""Says in two lines how good the model is and where the report lies.

python -m tasks.headline
"""

import json

from tasks import paths


def main() -> None:
    """Reads the metrics and prints the headline."""
    metrics = json.loads(paths.METRICS.read_text(encoding="utf-8"))
    low, high = metrics["accuracy_interval"]
    print(
        f"accuracy {metrics['accuracy']:.4f} [{low:.4f}, {high:.4f}],"
        f" macro F1 {metrics['macro_f1']:.4f}, on {metrics['num_images']:,} test images"
    )
    print(f"report: {paths.REPORT_PAGE.resolve().as_uri()}")


if __name__ == "__main__":
    main()
