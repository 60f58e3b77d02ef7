"""Refuses impossible parameters before anything runs.

    python -m workspace.check

Which sections there must be, dvc.yaml says; how each is typed, the code beside what reads it.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tasks.core.parameters import PARAMETERS_PATH, check_section, read_content
from tasks.runner.errors import InputError

# Sections that no stage reads, or that aren't typed in tasks/SECTION/parameters.py.
_ELSEWHERE = {
    "data": "tasks.core.parameters",
    "flow": "flows.parameters",
    "gate": "tasks.models.parameters",
    "predict": "tasks.predict.parameters",
    "drift": "tasks.drift.parameters",
}


def check_parameters(
    path: Path = PARAMETERS_PATH, graph: Path = Path("dvc.yaml")
) -> dict[str, Any]:
    """Checks every section of a parameters file.

    Returns:
        The sections, typed.

    Raises:
        InputError: with one line per fault.

    """
    content = read_content(path)
    expected = list(dict.fromkeys([*_sections_of(graph), *_ELSEWHERE]))
    faults = [
        f"{path}: {name} is unknown. Allowed: {', '.join(expected)}."
        for name in content
        if name not in expected
    ]
    sections = {}
    for name in expected:
        if name not in content:
            faults.append(f"{path}: {name} is missing. Expected keys: {', '.join(expected)}.")
            continue
        try:
            sections[name] = check_section(name, kind_of(name), content[name], path)
        except InputError as error:
            faults.append(str(error))
    if not faults:
        try:
            sections["validate"].expected_shares(sections["data"])
        except InputError as error:
            faults.append(str(error))
    if faults:
        raise InputError("\n".join(faults))
    return sections


def kind_of(section: str) -> Any:
    """The type of a section."""
    module = import_module(_ELSEWHERE.get(section, f"tasks.{section}.parameters"))
    return getattr(module, f"{section.capitalize()}Parameters")


def _sections_of(graph: Path) -> list[str]:
    stages = YAML(typ="safe").load(graph.read_text(encoding="utf-8"))["stages"]
    return [section for stage in stages.values() for section in stage.get("params", [])]


def main() -> None:
    """Prints nothing if every value is possible."""
    try:
        check_parameters()
    except InputError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
