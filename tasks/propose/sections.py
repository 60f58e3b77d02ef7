"""Sections of a parameters file, with a comment for each value, put into an existing file."""

import json
import re

from tasks.core.parameters import PARAMETERS_PATH
from tasks.runner.errors import InputError

# Key → value and comment; no comment where it is empty.
Section = dict[str, tuple[object, str]]

_HEADING = re.compile(r"^(?=\w+:)", re.MULTILINE)
_ON_ONE_LINE = re.compile(r"\w+:\s*[^#\s]")


def values_of(section: Section) -> dict[str, object]:
    """A section without its comments."""
    return {key: value for key, (value, _) in section.items()}


def replace_sections(template: str, sections: dict[str, Section]) -> str:
    """Writes some sections of a parameters file anew; the rest of it is kept, with its comments.

    Raises:
        InputError: such a section doesn't have a line for each value.

    """
    head, *blocks = _HEADING.split(template)
    for number, block in enumerate(blocks):
        heading = block.splitlines()[0]
        section = sections.get(heading.partition(":")[0])
        if section is not None:
            _require_lines(block)
            lines = [heading, *(_render(key, *entry) for key, entry in section.items())]
            blocks[number] = "\n".join(lines) + "\n\n"
    return head + "".join(blocks)


def replace_values(template: str, name: str, values: Section) -> str:
    """Changes some values of one section of a parameters file.

    Raises:
        InputError: the section doesn't have a line for each value.

    """
    head, *blocks = _HEADING.split(template)
    for number, block in enumerate(blocks):
        if block.startswith(f"{name}:"):
            _require_lines(block)
            lines = block.split("\n")
            for place, line in enumerate(lines):
                key = line.partition(":")[0].strip()
                if line.startswith("  ") and key in values:
                    lines[place] = _render(key, *values[key])
            blocks[number] = "\n".join(lines)
    return head + "".join(blocks)


def _require_lines(block: str) -> None:
    line = block.splitlines()[0]
    if _ON_ONE_LINE.match(line):
        raise InputError(
            f"{PARAMETERS_PATH} has a section on one line: {line[:60]}; expected a line of its own"
            f" for each value. Write it so, or: git checkout {PARAMETERS_PATH}"
        )


def _render(key: str, value: object, comment: str) -> str:
    # JSON is YAML.
    text = f"  {key}: {json.dumps(value, ensure_ascii=False)}"
    return f"{text} # {comment}" if comment else text
