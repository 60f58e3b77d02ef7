"""The examples of CONTRIBUTING.md work as they stand there, in the places that they name."""

import re
from typing import Any

import numpy as np
import pytest
from jinja2 import ChoiceLoader, DictLoader, PackageLoader

from tasks.core import paths
from tasks.report import sections
from tasks.report.inputs import Inputs
from tasks.validate import expectations
from tasks.validate.judge import describe
from tasks.validate.parameters import ValidateParameters
from tasks.validate.verdict import validate
from tests.conftest import PROJECT, typed
from tests.tasks.report.conftest import MakeReport, make_report, real_splits

__all__ = ["make_report"]  # a fixture


def read_example(heading: str, language: str) -> str:
    """The first block of a language below a heading."""
    text = (PROJECT / "CONTRIBUTING.md").read_text("utf-8")
    part = text[text.index(f"\n## {heading}\n") :]
    block = re.search(rf"```{language}\n(.*?)```", part, re.DOTALL)
    assert block is not None
    return block[1]


def test_an_expectation_is_an_entry_and_a_parameter(
    monkeypatch: pytest.MonkeyPatch, small_parameters: dict
) -> None:
    class More(ValidateParameters):
        image_brightness: tuple[float, float]

    entry = eval(read_example("An expectation of the data", "python"), dict(vars(expectations)))
    more = (*expectations.OF_IMAGES, entry)
    monkeypatch.setattr("tasks.validate.verdict.OF_IMAGES", more)
    parameters = typed(small_parameters)
    splits = real_splits()
    means = splits["train"].images.mean(axis=(1, 2, 3))
    for lowest, holds in ((0.0, True), (float(np.median(means)), False)):
        limits = More(**parameters.validate.model_dump(), image_brightness=(lowest, 255.0))
        _, findings = validate(splits, data=parameters.data, limits=limits)
        found = next(finding for finding in findings if finding["check"] == entry.check)
        assert found["success"] == holds
        assert f"expected a mean pixel of {lowest:g} to 255" in describe(found)


def test_a_section_is_an_entry_and_a_template(
    make_report: MakeReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = read_example("A section of the report", "jinja")
    code, entry = read_example("A section of the report", "python").rsplit("\n\n\n", 1)
    names: dict[str, Any] = {**vars(sections), "Inputs": Inputs, "Any": Any}
    exec(code, names)
    more = (*sections.SECTIONS, eval(entry, names))
    for module in ("stage", "render"):
        monkeypatch.setattr(f"tasks.report.{module}.SECTIONS", more)
    monkeypatch.setattr(
        "tasks.page.render.PackageLoader",
        lambda package: ChoiceLoader(
            [DictLoader({"sections/brightness.html.j2": template}), PackageLoader(package)]
        ),
    )
    page = make_report()
    assert '<a href="#brightness">Brightness</a>' in page
    assert re.search(r"<h2[^>]*>Brightness of mistakes</h2>\s*<p>.*mean pixel of \d+", page)
    assert paths.REPORT_TEXT.exists()
