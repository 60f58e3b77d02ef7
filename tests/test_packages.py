"""Every package that the code imports is declared, and locked by version and hash."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest

from tests.conftest import PROJECT

DECLARED = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))
RUNNING = DECLARED["project"]["dependencies"]
CLUSTER = DECLARED["project"]["optional-dependencies"]["cluster"]
TESTING = DECLARED["dependency-groups"]["dev"]
RIVALS = (PROJECT / "benchmarks" / "requirements.txt").read_text("utf-8").splitlines()
# The fuzzer's engine has no wheels for most Pythons; tests/faults/fuzz.py says how to get it.
FUZZER = ["atheris"]
RUNS = ("cli.py", "tasks/**/*.py", "workspace/**/*.py", "flows/**/*.py", "examples/**/*.py")
OWN = {"benchmarks", "cli", "docs", "examples", "flows", "tasks", "tests", "workspace"}
LOCKS = {
    "requirements.lock": RUNNING,
    "requirements-dev.lock": TESTING,
    "requirements-cluster.lock": CLUSTER,
}


def text_of(lock: str) -> str:
    return (PROJECT / lock).read_text("utf-8")


def name_of(requirement: str) -> str:
    """The normalized name of `ruamel.yaml>=0.18`: ruamel-yaml."""
    (name,) = re.findall(r"^[\w.-]*", requirement)
    return re.sub(r"[-_.]+", "-", name).lower()


def names_of(requirements: list[str]) -> set[str]:
    return {name_of(requirement) for requirement in requirements} - {""}


def owners_of_imports(*folders: str) -> dict[str, set[str]]:
    """Foreign module → the packages that may hold it, of every import, also inside functions."""
    owners = packages_distributions()
    found = {}
    for file in (file for folder in folders for file in PROJECT.glob(folder)):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for module in {module.partition(".")[0] for module in modules}:
                if module not in OWN | sys.stdlib_module_names:
                    found[module] = names_of(owners.get(module, [module]))
    return found


def undeclared(owners: dict[str, set[str]], declared: list[str]) -> set[str]:
    return {module for module, names in owners.items() if not names & names_of(declared)}


def test_what_runs_imports_only_what_the_first_command_installs() -> None:
    owners = owners_of_imports(*RUNS)
    assert undeclared(owners, [*RUNNING, *CLUSTER]) == set()


def test_what_tests_and_measures_imports_only_what_is_declared() -> None:
    owners = owners_of_imports("tests/**/*.py", "benchmarks/*.py", "docs/*.py")
    assert undeclared(owners, [*RUNNING, *TESTING, *CLUSTER, *RIVALS, *FUZZER]) == set()


def test_what_is_declared_is_imported_or_holds_another_package_back() -> None:
    imported = set.union(*owners_of_imports(*RUNS).values())
    unused = {requirement for requirement in RUNNING if name_of(requirement) not in imported}
    assert {requirement for requirement in unused if "<" not in requirement} == set()


def test_the_undeclared_is_noticed() -> None:
    owners = {"numpy": {"numpy"}, "ruamel": {"ruamel-yaml", "ruamel-yaml-clib"}, "gto": {"gto"}}
    assert undeclared(owners, ["NumPy>=2", "ruamel.yaml"]) == {"gto"}


@pytest.mark.parametrize(("lock", "declared"), LOCKS.items())
def test_each_lock_pins_what_is_declared_with_hashes_and_no_address(
    lock: str, declared: list[str]
) -> None:
    text = text_of(lock)
    pins = re.findall(r"^([\w.-]+)==[^ ]+ .*\\\n +--hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)
    assert len(pins) == sum(line[:1] not in " #" for line in text.splitlines())
    first = names_of(re.findall(r"^([\w.-]+)==", text_of("requirements.lock"), re.MULTILINE))
    assert names_of(declared) <= names_of(pins) | first
    assert lock == "requirements.lock" or not names_of(pins) & first
    assert not re.search(r"://|--(extra-)?index|--find-links", text)
