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
    composed = tuple(unicodedata.normalize("NFC", name) for name in names)
    if len(set(composed)) < len(names):
        raise ValueError("Each name may stand there once")
    return composed


class DataParameters(Section):
    """What the images and the labels are."""

    name: Text
    classes: Annotated[
        tuple[Text, ...],
        Field(min_length=2, max_length=256, strict=False),
        AfterValidator(_compose),
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
    """One section of a parameters file, as a `kind`: a type, or a union that differs by `format`.

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
    """The sections of a parameters file, unchecked; refuses one that is missing or has none."""
    if not path.exists():
        raise InputError(f"{path} is missing. Run this from the project's folder.")
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no sections. Expected data, ingest and the others.")
    return content


def read_yaml(path: Path) -> Any:
    """What a YAML file holds, by the same reader as DVC's; None where there is no such file."""
    try:
        return YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (YAMLError, UnicodeDecodeError) as error:
        cause = " ".join(str(error).split())
        raise InputError(f"{path} is not valid YAML: {cause}. Mend that line") from None


def _describe_fault(path: Path, section: str, kind: Any, fault: Mapping[str, Any]) -> str:
    names, received, what = map(str, fault["loc"]), fault["input"], fault["type"]
    keys = [name if name.isprintable() else ascii(name) for name in names]  # each fault is a line
    models = get_args(kind) or (kind,)
    formats = {
        get_args(model.model_fields["format"].annotation)[0]: model for model in get_args(kind)
    }
    if what.startswith("union_tag"):
        keys, allowed, received = ["format"], list(formats), fault.get("ctx", {}).get("tag")
    else:
        # Pydantic puts the format that it found before the keys below it.
        model = formats[keys.pop(0)] if formats and keys else models[0]
        allowed = _allowed_keys(model, keys)
    where = ".".join([f"{path}: {section}", *keys])
    if what in ("missing", "union_tag_not_found"):
        return f"{where} is missing. Allowed: {', '.join(allowed)}."
    if what in ("extra_forbidden", "union_tag_invalid"):
        close = difflib.get_close_matches(keys[-1], allowed, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        return f"{where} = {received!r} is unknown. Allowed: {', '.join(allowed)}.{hint}"
    return f"{where} = {received!r} is not allowed. {fault['msg'].removeprefix('Value error, ')}."


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
        model = inner[0] if inner else model
    return [field.alias or name for name, field in model.model_fields.items()]
