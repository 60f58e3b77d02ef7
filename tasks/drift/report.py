"""Compares a batch with the training images, and writes what was found beside the predictions."""

import json
from pathlib import Path

from tasks.core.files import write_json, write_text
from tasks.drift.batch import Batch
from tasks.drift.judge import PAGE_HEADING, DriftFinding, drift_to_markdown, judge_drift
from tasks.drift.parameters import DriftParameters
from tasks.predict.model import Model
from tasks.runner.errors import InputError


def report_drift(
    batch: Batch, model: Model, *, limits: DriftParameters, output: Path
) -> list[DriftFinding]:
    """Judges a batch, and writes what was found; see `claim_pages`.

    Args:
        output: the table of the predictions, or the folder of them.

    """
    findings = judge_drift(batch, model.read_reference(), classes=model.classes, limits=limits)
    data, page = claim_pages(output)
    write_json(data, {"images": batch.num_images, "findings": findings})
    write_text(page, drift_to_markdown(findings))
    return findings


def claim_pages(output: Path) -> tuple[Path, Path]:
    """Where the findings go: OUTPUT's name with .drift.json and .drift.md in place of its end.

    In a folder of predictions, they are `_drift.json` and `_drift.md`.

    Raises:
        InputError: what is there holds no such findings, so that it is somebody's.

    """
    data, page = (
        output.with_suffix(f".drift{ending}") if output.suffix else output / f"_drift{ending}"
        for ending in (".json", ".md")
    )
    for path in (data, page):
        if (path.exists() or path.is_symlink()) and not _holds_findings(path):
            raise InputError(
                f"{path} is there already and holds nothing about drift; expected nothing, or what"
                " an earlier prediction wrote. Name another output, or move this file away; or"
                " leave drift out: --no-drift"
            )
    return data, page


def _holds_findings(path: Path) -> bool:
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".md":
            return text.startswith(PAGE_HEADING)
        return json.loads(text).keys() == {"images", "findings"}
    except (OSError, ValueError, AttributeError):
        return False
