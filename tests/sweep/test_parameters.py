"""What can be searched is named before anything runs."""

import subprocess
import sys

import pytest
from prefect.utilities.importtools import import_object
from ruamel.yaml import YAML

from flows.sweep import sweep
from tasks.core.parameters import check_section
from tasks.runner.errors import InputError
from tasks.sweep.parameters import SweepParameters
from tests.conftest import PROJECT, environment, read_parameters


def message_for(**changes: object) -> str:
    with pytest.raises(InputError) as caught:
        check_section("sweep", SweepParameters, read_parameters()["sweep"] | changes)
    return str(caught.value)


@pytest.mark.parametrize(
    ("search", "told"),
    [
        ({"train.learning_rat": [0.1]}, "Allowed is, for instance, train.learning_rate"),
        ({"train.seed": [1, 2]}, "'train.seed' can't be searched"),
        ({"evaluate.confidence": [0.9]}, "'evaluate.confidence' can't be searched"),
        ({"train.epochs": {"low": 3, "high": 2, "log": False}}, "Expected low < high"),
        ({"train.epochs": []}, "sweep.search.train.epochs"),
        ({}, "sweep.search = {} is not allowed"),
    ],
)
def test_what_cannot_be_searched_is_refused(search: dict, told: str) -> None:
    assert told in message_for(search=search)


def test_every_combination_needs_lists() -> None:
    search = {"train.learning_rate": {"low": 0.1, "high": 0.2, "log": False}}
    assert "With trials: null, every key" in message_for(search=search, trials=None)


def test_rungs_lie_before_the_end() -> None:
    parameters = check_section("sweep", SweepParameters, read_parameters()["sweep"])
    assert parameters.rungs(5) == [1, 2, 4, None]
    assert parameters.rungs(1) == [None]


def test_without_optuna_a_line_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['optuna'] = None; sys.argv = ['pipeline sweep']\n"
        "from tasks.runner.frame import run_framed\n"
        "from workspace.sweep import main; run_framed(main)"
    )
    completed = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 1
    assert completed.stderr.endswith("make cluster\n")
    assert completed.stderr.count("\n") == 1


def test_the_deployment_names_the_flow() -> None:
    content = YAML(typ="safe").load((PROJECT / "prefect.yaml").read_text("utf-8"))
    (search,) = [entry for entry in content["deployments"] if entry["name"] == "search"]
    path, _, name = search["entrypoint"].partition(":")
    assert import_object(f"{path.removesuffix('.py').replace('/', '.')}:{name}") is sweep
    assert sweep.name == "sweep"


def test_a_seed_stands_there_once() -> None:
    assert "Expected seeds that differ" in message_for(seeds=[0, 0])
