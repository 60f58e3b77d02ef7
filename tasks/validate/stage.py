"""Stage validate: stops the pipeline, in words, when the data went wrong.

    python -m tasks.validate

Three small tables are made from the images, and Great Expectations judges them. The verdict is
reports/validation.json, which `prepare` depends on; reports/validation.html shows the images behind
it.
"""

from tasks.core import paths
from tasks.core.dataset import ImageSplit, SplitName, load_split
from tasks.core.files import write_json, write_text
from tasks.core.parameters import DataParameters, load_section
from tasks.runner.errors import InputError
from tasks.validate.judge import Finding
from tasks.validate.page import render_findings
from tasks.validate.parameters import ValidateParameters
from tasks.validate.verdict import is_critical, validate


def main() -> None:
    """Load, tabulate, judge, save; fail if a critical expectation is broken."""
    data: DataParameters = load_section("data", DataParameters)
    limits: ValidateParameters = load_section("validate", ValidateParameters)
    splits: dict[SplitName, ImageSplit] = {name: load_split(name) for name in ("train", "test")}
    classes, findings = validate(splits, data=data, limits=limits)
    broken = [finding for finding in findings if not finding["success"]]
    critical = [finding for finding in broken if is_critical(finding)]
    counts = classes[["split", "label", "class", "count", "share"]].to_dict(orient="records")
    write_json(paths.VALIDATION, {"success": not critical, "counts": counts, "findings": findings})
    write_text(paths.VALIDATION_PAGE, render_findings(findings, splits, data=data))
    if critical:
        lines = [describe(finding) for finding in critical]
        advice = f"{paths.VALIDATION_PAGE} shows the images. Mend the data, then run: dvc repro"
        raise InputError("\n".join([*lines, advice]))
    for finding in broken:
        print(f"warning: {describe(finding)}", flush=True)
    print(f"{len(findings) - len(broken)} of {len(findings)} expectations hold", flush=True)


def describe(finding: Finding) -> str:
    """One line: what was looked at, found and expected, how many rows, the first images."""
    line = (
        f"{finding['split']}: {finding['check']}: found {finding['observed']};"
        f" expected {finding['expected']}"
    )
    if not finding["first_images"]:
        return line
    indices = ", ".join(str(image["index"]) for image in finding["first_images"])
    return f"{line} (first at {indices})"
