"""What the README says is what the repository holds."""

import json
import re
from pathlib import Path

import pytest

from cli import COMMANDS
from docs.readme import render
from tests.conftest import PROJECT

README = (PROJECT / "README.md").read_text("utf-8")
RESULTS = json.loads((PROJECT / "docs" / "results.json").read_text("utf-8"))


@pytest.mark.parametrize("slot", render(RESULTS))
def test_the_figures_are_those_of_the_committed_results(slot: str) -> None:
    assert f"<!-- {slot} -->\n{render(RESULTS)[slot]}\n" in README, "run: python -m docs.readme"


@pytest.mark.parametrize("key", ["machine", "date", "commit"])
def test_the_results_say_where_and_when_they_were_measured(key: str) -> None:
    assert RESULTS[key]
    assert RESULTS[key] in README


def test_every_link_and_picture_leads_to_a_file() -> None:
    pages = [PROJECT / "README.md", *(PROJECT / "docs").glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} → {target}"


TOLD = [
    file
    for folder in ("README.md", "docs", "tasks", "workspace", "flows", "cli.py")
    for file in [PROJECT / folder, *(PROJECT / folder).rglob("*")]
    if file.suffix in (".md", ".py", ".j2", ".yaml")
]


@pytest.mark.parametrize("file", TOLD, ids=lambda file: str(file.relative_to(PROJECT)))
def test_every_command_that_a_text_names_exists(file: Path) -> None:
    text = file.read_text("utf-8")
    targets = re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE)
    named = re.findall(r"(?:^|`|<code>)(make|pipeline) ([a-z][a-z-]*)", text, re.MULTILINE)
    assert {name for door, name in named if door == "make"} <= set(targets)
    assert {name for door, name in named if door == "pipeline"} <= set(COMMANDS)
