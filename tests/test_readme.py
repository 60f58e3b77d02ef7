"""What the README says is what the repository holds."""

import re

import pandas as pd

from docs.readme import describe_results
from tasks.evaluate.metrics import read_metrics
from tests.conftest import PROJECT

README = (PROJECT / "README.md").read_text("utf-8")


def test_the_results_are_those_of_the_committed_reports() -> None:
    metrics = read_metrics(PROJECT / "reports" / "evaluation.json")
    history = pd.read_csv(PROJECT / "reports" / "history.csv")
    assert describe_results(metrics, history) in README, "run: python -m docs.readme"


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
