"""The examples of CONTRIBUTING.md work as they stand there, in the places that they name."""

import gzip
import json
import re
import shutil
from pathlib import Path
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
from tests.conftest import PROJECT, Run, typed, write_parameters
from tests.faults.rig import stages_run
from tests.tasks.report.conftest import MakeReport, make_report, real_splits

__all__ = ["make_report"]  # a fixture

CONTRIBUTING = (PROJECT / "CONTRIBUTING.md").read_text("utf-8")
DATA_PAGE = (PROJECT / "docs" / "data.md").read_text("utf-8")


def read_example(heading: str, language: str) -> str:
    """The first block of a language below a heading."""
    part = CONTRIBUTING[CONTRIBUTING.index(f"\n## {heading}\n") :]
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


# Each of these makes one change in a copy of the tree, and gives the files that it touched.


def add_network(root: Path) -> set[str]:
    return {append(root, "tasks/train/networks.py", read_example("A network", "python"))}


def add_source(root: Path) -> set[str]:
    kind, function = re.findall(r"```python\n(.*?)\n\n\n(.*?)```", DATA_PAGE, re.DOTALL)[0]
    imports = (
        "from pathlib import Path\n\nimport numpy as np\n\n"
        "from tasks.core.parameters import DataParameters\n"
        "from tasks.images.policy import ImagePolicy\n"
        "from tasks.ingest.parameters import ArraysParameters\n"
        "from tasks.ingest.source import Entry, Source\n\n\n"
    )
    parameters = "tasks/ingest/parameters.py"
    union = "IngestParameters = "
    return {
        append(root, "tasks/ingest/arrays.py", f'"""Two arrays."""\n\n{imports}{function}'),
        replace(root, parameters, union, f"{kind}\n\n\n{union}ArraysParameters | "),
    }


def add_stage(root: Path) -> set[str]:
    start = (PROJECT / "tasks" / "prepare" / "__main__.py").read_text("utf-8")
    append(root, "tasks/compress/__init__.py", "")
    append(root, "tasks/compress/__main__.py", start.replace("prepare", "compress"))
    append(root, "tasks/compress/stage.py", read_example("A stage", "python"))
    entry = read_example("A stage", "yaml")
    return {"tasks/compress", replace(root, "dvc.yaml", "\nplots:\n", f"\n{entry}\nplots:\n")}


def add_metric(root: Path) -> set[str]:
    field, line = read_example("A metric", "python").split("\n\n")
    file = "tasks/evaluate/metrics.py"
    replace(root, file, "    macro_f1: float\n", f"    macro_f1: float\n{field}\n")
    template = "tasks/report/templates/page.html.j2"
    tile = '{{ tile("macro F1", "macro_f1") }}\n'
    return {
        replace(root, file, "        brier_score=", f"{line}        brier_score="),
        replace(root, template, tile, f"{tile}{read_example('A metric', 'jinja')}"),
    }


def append(root: Path, file: str, text: str) -> str:
    (root / file).parent.mkdir(exist_ok=True)
    with (root / file).open("a", encoding="utf-8") as opened:
        opened.write(f"\n\n{text}" if opened.tell() else text)
    return file


def replace(root: Path, file: str, before: str, after: str) -> str:
    text = (root / file).read_text("utf-8")
    assert text.count(before) == 1, f"{file}: {before}"
    (root / file).write_text(text.replace(before, after), "utf-8")
    return file


def test_a_network_a_source_a_stage_and_a_metric_take_the_places_that_are_named_and_run(
    workspace: Path, run: Run, small_parameters: dict
) -> None:
    changes = {
        "a network": add_network(workspace),
        "a source of images": add_source(workspace),
        "a stage": add_stage(workspace),
        "a metric": add_metric(workspace),
    }
    table = dict(re.findall(r"^\| \[(.*?)\]\(.*?\) \| (\d):", CONTRIBUTING, re.MULTILINE))
    for what, places in changes.items():
        assert len(places) == int(table[what]), what
    folder = workspace / "data" / "source"
    splits = real_splits()
    for part in ("images", "labels"):
        arrays = [getattr(splits[name], part) for name in ("train", "test")]
        np.save(folder / f"{part}.npy", np.concatenate(arrays))
    small_parameters["data"] |= {"train_images": None, "test_images": None}
    small_parameters["validate"] |= {"share_tolerance": 0.2, "max_divergence": 1.0}
    small_parameters["train"] |= {"architecture": "wide", "whitening": False}
    source = {"format": "arrays", "path": "data/source", "test_share": 0.2, "test_seed": 0}
    write_parameters(workspace, small_parameters | {"ingest": source})
    # The wiring test passes there, too.
    shutil.copytree(PROJECT / "tests", workspace / "tests", ignore=shutil.ignore_patterns("__*__"))
    for name in ("pyproject.toml", "CONTRIBUTING.md"):
        shutil.copy(PROJECT / name, workspace)
    run("pytest", "-q", "-p", "no:cacheprovider", "tests/test_wiring.py")
    assert stages_run(run("dvc", "repro").stdout)[-1] in ("compress", "report")
    card = json.loads((workspace / paths.MODEL_CARD).read_text("utf-8"))
    assert card["parameters"]["architecture"] == "wide"
    assert card["data"]["origin"]["format"] == "arrays"
    packed = workspace / "models" / "classifier.tflite.gz"
    assert gzip.decompress(packed.read_bytes()) == (workspace / paths.EXPORTED_MODEL).read_bytes()
    evaluation = json.loads((workspace / paths.EVALUATION).read_text("utf-8"))
    assert 1 / len(evaluation["classes"]) <= evaluation["mean_confidence"] <= 1
    assert "mean confidence" in (workspace / paths.REPORT_PAGE).read_text("utf-8")
