"""Refuses, before anything runs, impossible parameters and what a run would spoil or not find.

    pipeline check

Which sections there must be, dvc.yaml says; how each is typed, the code beside what reads it.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

from tasks.core import paths
from tasks.core.parameters import PARAMETERS_PATH, check_section, read_content
from tasks.runner.declared import read_declared, require_own_outputs
from tasks.runner.errors import InputError

# Sections that no stage reads, or that aren't typed in tasks/SECTION/parameters.py.
_ELSEWHERE = {
    "data": "tasks.core.parameters",
    "flow": "flows.parameters",
    "gate": "tasks.models.parameters",
    "predict": "tasks.predict.parameters",
    "drift": "tasks.drift.parameters",
    "sweep": "tasks.sweep.parameters",
}


def check_parameters(
    path: Path = PARAMETERS_PATH, graph: Path = Path("dvc.yaml")
) -> dict[str, Any]:
    """Every section of a parameters file, typed; refuses it with one line per fault."""
    content = read_content(path)
    read = [section for stage in read_declared(graph.parent).values() for section in stage.sections]
    expected = list(dict.fromkeys([*read, *_ELSEWHERE]))
    faults = [
        f"{path}: {name} is {'missing' if name in expected else 'unknown'}."
        f" Expected keys: {', '.join(expected)}."
        for name in [*expected, *content]
        if (name in expected) != (name in content)
    ]
    sections = {}
    for name in filter(content.__contains__, expected):
        try:
            sections[name] = check_section(name, kind_of(name), content[name], path)
        except InputError as error:
            faults.append(str(error))
    if faults:
        raise InputError("\n".join(faults))
    sections["validate"].expected_shares(sections["data"])
    sections["validate"].accepted_suspicion(sections["data"])
    return sections


def kind_of(section: str) -> Any:
    """The type of a section."""
    module = import_module(_ELSEWHERE.get(section, f"tasks.{section}.parameters"))
    return getattr(module, f"{section.capitalize()}Parameters")


def check() -> dict[str, Any]:
    """The sections of params.yaml, typed; refuses faults, and what a run would spoil or miss."""
    sections = check_parameters()
    if not paths.BASELINE.exists():
        raise InputError(
            f"{paths.BASELINE} is missing, with which the report compares. Where there is nothing"
            f" to compare with: echo '{{}}' > {paths.BASELINE}"
        )
    require_own_outputs(read_declared())
    return sections


def main() -> None:
    """Prints nothing if all is well."""
    check()
