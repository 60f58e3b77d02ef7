"""Parameters: sections of params.yaml, read, typed and closed.

Each section is typed beside the code that reads it: a stage's in `tasks/STAGE/parameters.py`.
"""

import difflib
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tasks.runner.errors import InputError

PARAMETERS_PATH = Path("params.yaml")

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
Text = Annotated[str, StringConstraints(min_length=1)]


class Section(BaseModel):
    """A section of params.yaml: every key required, no other key allowed, values never coerced.

    What stands below a field describes it; `pipeline propose` writes that beside the value.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )


def _compose(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names in Unicode's composed form: a folder from a Mac spells `é` in two characters."""
    return tuple(unicodedata.normalize("NFC", name) for name in names)


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("Each name may stand there once")
    return names


class DataParameters(Section):
    """What the images and the labels are."""

    name: Text
    classes: Annotated[
        tuple[Text, ...],
        Field(min_length=2, max_length=256, strict=False),
        AfterValidator(_compose),
        AfterValidator(_distinct),
    ]
    height: Count
    """pixels"""
    width: Count
    """pixels"""
    channels: Literal[1, 3]
    """1 is grey, 3 is colour"""
    train_images: Count | None
    """that are expected; null takes any number: a source that grows"""
    test_images: Count | None
    """that are expected; null takes any number: a source that grows"""


def load_section(name: str, kind: Any, path: Path = PARAMETERS_PATH) -> Any:
    """Reads and checks one section of a parameters file.

    Args:
        name: of the section.
        kind: its type, or a union of types that differ by their key `format`.
        path: of the file.

    Returns:
        A `kind`.

    Raises:
        InputError: with one line per fault, each naming the key, its value and what is allowed.

    """
    content = read_content(path)
    if name not in content:
        raise InputError(f"{path}: {name} is missing. Expected a section of that name.")
    return check_section(name, kind, content[name], path)


def check_section(name: str, kind: Any, content: object, path: Path = PARAMETERS_PATH) -> Any:
    """Checks the content of one section; see `load_section`."""
    wanted: Any = Annotated[kind, Field(discriminator="format")] if get_args(kind) else kind
    try:
        return TypeAdapter(wanted).validate_python(content)
    except ValidationError as error:
        faults = [_describe_fault(path, name, kind, dict(fault)) for fault in error.errors()]
        raise InputError("\n".join(faults)) from None


def read_content(path: Path = PARAMETERS_PATH) -> dict[str, Any]:
    """Reads a parameters file, unchecked, with the same reader as DVC's.

    Raises:
        InputError: it is missing, or no YAML with sections.

    """
    try:
        content = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} is missing. Run this from the project's folder.") from None
    except (YAMLError, UnicodeDecodeError) as error:
        cause = " ".join(str(error).split())
        raise InputError(f"{path} is not valid YAML: {cause}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no sections. Expected data, ingest and the others.")
    return content


def _describe_fault(path: Path, section: str, kind: Any, fault: Mapping[str, Any]) -> str:
    message = fault["msg"].removeprefix("Value error, ")
    models = get_args(kind) or (kind,)
    formats = {
        get_args(model.model_fields["format"].annotation)[0]: model for model in get_args(kind)
    }
    keys = [str(part) for part in fault["loc"]]
    if formats and keys:
        # Pydantic puts the format that it found before the keys below it.
        models = (formats[keys.pop(0)],)
    key = ".".join([section, *keys])
    allowed = _allowed_keys(models[0], keys)
    if fault["type"] == "missing":
        return f"{path}: {key} is missing. Expected keys: {', '.join(allowed)}."
    if fault["type"] == "extra_forbidden":
        close = difflib.get_close_matches(keys[-1], allowed, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        return (
            f"{path}: {key} = {fault['input']!r} is unknown. Allowed: {', '.join(allowed)}.{hint}"
        )
    if fault["type"] == "union_tag_not_found":
        return f"{path}: {key}.format is missing. Allowed: {', '.join(formats)}."
    if fault["type"] == "union_tag_invalid":
        return (
            f"{path}: {key}.format = {fault['ctx']['tag']!r} is unknown."
            f" Allowed: {', '.join(formats)}."
        )
    return f"{path}: {key} = {fault['input']!r} is not allowed. {message}."


def _allowed_keys(model: type[BaseModel], keys: list[str]) -> list[str]:
    """The keys that are allowed where the last of some keys stands."""
    for key in keys[:-1]:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        annotation = fields[key].annotation if key in fields else None
        inner = [
            member
            for member in get_args(annotation) or (annotation,)
            if isinstance(member, type) and issubclass(member, Section)
        ]
        if not inner:
            break
        model = inner[0]
    return [field.alias or name for name, field in model.model_fields.items()]
