"""Sections of a parameters file, with a comment for each value, put into an existing file."""

import io
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.representer import RoundTripRepresenter

# Key → value and comment; no comment where it is empty.
Section = dict[str, tuple[object, str]]

_NO_LINE_BREAKS = 2**20


class _Representer(RoundTripRepresenter):
    """Writes null, as we do, where ruamel writes nothing."""


_Representer.add_representer(
    type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", "null")
)


def values_of(section: Section) -> dict[str, object]:
    """A section without its comments."""
    return {key: value for key, (value, _) in section.items()}


def replace_sections(
    template: str, *, whole: dict[str, Section], values: dict[str, Section]
) -> str:
    """Writes sections of a parameters file anew; the rest of it is kept, with its comments.

    Args:
        template: the file's text.
        whole: sections that are replaced as a whole.
        values: some values of other sections; their comments are replaced where there are new ones.

    """
    yaml = YAML()
    yaml.Representer = _Representer
    yaml.width = _NO_LINE_BREAKS
    yaml.indent(mapping=2, sequence=4, offset=2)
    content = yaml.load(template)
    for name, section in whole.items():
        content[name] = CommentedMap()
        _fill(content[name], section)
        # A blank line after a section belongs to the comment of its last value.
        content[name].ca.items[list(section)[-1]][2].value += "\n\n"
    for name, section in values.items():
        _fill(content[name], section)
    text = io.StringIO()
    yaml.dump(content, text)
    return text.getvalue()


def _fill(target: CommentedMap, section: Section) -> None:
    for key, (value, comment) in section.items():
        target[key] = _flow(value)
        if comment:
            target.yaml_add_eol_comment(comment, key, column=0)


def _flow(value: Any) -> Any:
    """Lists and maps on one line, as they stand in params.yaml."""
    if isinstance(value, list | tuple):
        value = CommentedSeq(value)
        value.fa.set_flow_style()
    elif isinstance(value, dict):
        value = CommentedMap({key: _flow(inner) for key, inner in value.items()})
        value.fa.set_flow_style()
    return value
