"""Sections of a parameters file, with a comment for each value, put into an existing file."""

import io
import re
from typing import Any

from pydantic import BaseModel
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, SingleQuotedScalarString

from tasks.runner.errors import InputError

# Key → value and comment; no comment where it is empty.
Commented = dict[str, tuple[object, str]]

_NO_LINE_BREAKS = 2**20
_NEXT_LINE = "\x85"
# Whatever else a name holds, it is quoted: DVC's reader takes `[a:b]` and `[?a]` for maps.
_PLAIN = re.compile(r"[./]*[^\W\d]([\w./ -]*[\w./-])?")


class _Representer(RoundTripRepresenter):
    """Writes null, as we do, where ruamel writes nothing."""


_Representer.add_representer(
    type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", "null")
)


def comment(parameters: BaseModel, **comments: str) -> Commented:
    """Parameters with what describes them, or other comments; the class's own fields first."""
    values = parameters.model_dump(mode="json")
    described = {
        name: field.description or "" for name, field in type(parameters).model_fields.items()
    } | comments
    kinds = type(parameters).__mro__
    names = [name for kind in kinds for name in vars(kind).get("__annotations__", {})]
    return {name: (values[name], described[name]) for name in names if name in values}


def replace_sections(
    template: str, *, whole: dict[str, Commented], values: dict[str, Commented]
) -> str:
    """Writes whole sections of a parameters file anew, and some values of others.

    The rest of the file is kept, with its comments; those of the values are replaced where there
    are new ones.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
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
    read = YAML(typ="safe").load(text.getvalue())
    for name, section in (whole | values).items():
        assert all(read[name][key] == content[name][key] for key in section)
    return text.getvalue()


def _fill(target: CommentedMap, section: Commented) -> None:
    for key, (value, words) in section.items():
        target[key] = _flow(value)
        if words:
            target.yaml_add_eol_comment(words, key, column=0)


def _flow(value: Any) -> Any:
    """Lists and maps on one line, as they stand in params.yaml."""
    if isinstance(value, str) and _NEXT_LINE in value:
        raise InputError(
            f"The name {value!a} holds U+0085, the end of a line: DVC writes a space for it into"
            " dvc.lock, and would find the name changed in each run. Rename it"
        )
    if isinstance(value, str) and not _PLAIN.fullmatch(value):
        quoted = SingleQuotedScalarString if value.isprintable() else DoubleQuotedScalarString
        return quoted(value)
    if isinstance(value, list | tuple):
        value = CommentedSeq(map(_flow, value))
        value.fa.set_flow_style()
    elif isinstance(value, dict):
        value = CommentedMap({_flow(key): _flow(inner) for key, inner in value.items()})
        value.fa.set_flow_style()
    return value
