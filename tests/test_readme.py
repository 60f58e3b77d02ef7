"""What the README says is what the repository holds."""

import json
import re

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


def test_every_make_target_that_it_names_exists() -> None:
    targets = re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE)
    named = re.findall(r"`?make ([a-z-]+)`?", README)
    assert named
    assert set(named) <= set(targets)


def test_every_command_that_it_names_exists() -> None:
    named = re.findall(r"(?:^|`)pipeline ([a-z]+)", README, re.MULTILINE)
    assert named
    assert set(named) <= set(COMMANDS)
