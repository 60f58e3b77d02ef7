"""Stage validate: stops the pipeline, in words, when the data went wrong.

    python -m tasks.validate

Three small tables are made from the images, and Great Expectations judges them. The verdict is
reports/validation.json, which `prepare` depends on; reports/validation.html shows the images behind
it.
"""

import pandas as pd

from tasks.core import paths
from tasks.core.dataset import ImageSplit, SplitName, load_split
from tasks.core.files import write_json, write_text
from tasks.core.parameters import DataParameters, load_section
from tasks.runner.errors import InputError
from tasks.validate.judge import describe, is_critical
from tasks.validate.page import render_findings
from tasks.validate.parameters import ValidateParameters
from tasks.validate.verdict import validate, validate_labels

_COUNTS = ["split", "label", "class", "count", "share"]


def main() -> None:
    """Load, tabulate, judge, save; fail if a critical expectation is broken."""
    data: DataParameters = load_section("data", DataParameters)
    limits: ValidateParameters = load_section("validate", ValidateParameters)
    splits: dict[SplitName, ImageSplit] = {name: load_split(name) for name in ("train", "test")}
    classes, findings = validate(splits, data=data, limits=limits)
    suspicious = pd.DataFrame()  # data that is refused isn't fit to look for them
    if not any(is_critical(finding) for finding in findings):
        suspicious, found = validate_labels(splits["train"], data=data, limits=limits)
        findings += found
        write_text(paths.SUSPICIOUS_LABELS, suspicious.to_csv(index=False, lineterminator="\n"))
    critical = [describe(finding) for finding in findings if is_critical(finding)]
    counts = classes[_COUNTS].to_dict(orient="records")
    write_json(paths.VALIDATION, {"success": not critical, "counts": counts, "findings": findings})
    page = render_findings(findings, splits, suspicious, data=data, num_shown=limits.shown_labels)
    write_text(paths.VALIDATION_PAGE, page)
    if critical:
        advice = f"{paths.VALIDATION_PAGE} shows the images. Mend the data, then run: dvc repro"
        raise InputError("\n".join([*critical, advice]))
    broken = [describe(finding) for finding in findings if not finding["success"]]
    print(*(f"warning: {line}" for line in broken), sep="\n", end="\n" if broken else "")
    print(f"{len(findings) - len(broken)} of {len(findings)} expectations hold", flush=True)
