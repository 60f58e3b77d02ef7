"""Section train: the network and its recipe."""

import ast
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from tasks.core.parameters import Count, Fraction, NotNegative, Positive, Section, Seed, Share, Text

_BUILT_IN_MODULE = "tasks.train.networks"


class TrainParameters(Section):
    """The network and its recipe."""

    architecture: Text
    network_file: Text
    whitening: bool
    seed: Seed
    epochs: Count
    batch_size: Count
    optimizer: Literal["adam", "muon", "sgd"]
    learning_rate: Positive
    momentum: Share
    schedule: Literal["constant", "one_cycle"]
    warmup_share: Share
    weight_decay: NotNegative
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    class_weights: Literal["none", "balanced"]
    flip: bool
    shift: Annotated[int, Field(ge=0)]
    average_decay: Share | None
    patience: Count | None
    mirror: bool
    precision: Literal["float32", "bfloat16"]
    deterministic: bool
    device: Literal["cpu", "gpu"]
    processor: Literal["portable", "native"]
    threads: Count
    onednn: bool
    export: Literal["int8", "float32"]
    export_tolerance: Positive
    max_export_loss: Fraction

    @field_validator("architecture")
    @classmethod
    def _is_a_network(cls, name: str) -> str:
        if "." not in name and name not in built_in_networks():
            raise ValueError(
                f"Allowed: {', '.join(built_in_networks())}, or the dotted name of a function of"
                " yours, such as mypackage.networks.my_network"
            )
        return name

    @field_validator("network_file")
    @classmethod
    def _holds_the_network(cls, file: str, info: ValidationInfo) -> str:
        """The file is what DVC watches, so it has to be the one that the name leads to."""
        if "architecture" in info.data:
            module = Path(*locate_network(info.data["architecture"])[0].split("."))
            places = [module.with_suffix(".py"), module / "__init__.py"]
            if not any(Path(file) in (place, *place.parents[:-1]) for place in places):
                raise ValueError(
                    f"{info.data['architecture']} is a function in {places[0]}; expected that file,"
                    " or a folder that holds it"
                )
        return file

    @field_validator("processor")
    @classmethod
    def _computes_in_the_precision(cls, processor: str, info: ValidationInfo) -> str:
        """Held to AVX2, oneDNN fails where TensorFlow sees instructions for bfloat16."""
        if processor == "portable" and info.data.get("precision") == "bfloat16":
            raise ValueError(
                "train.precision: bfloat16 needs instructions that portable leaves out; expected"
                " native, or train.precision: float32"
            )
        return processor


def locate_network(architecture: str) -> tuple[str, str]:
    """The module and the name of the function that builds a network."""
    module, _, function = architecture.rpartition(".")
    return module or _BUILT_IN_MODULE, function


def built_in_networks() -> list[str]:
    """The names of the public functions in networks.py; nothing is imported for that."""
    tree = ast.parse(Path(__file__).with_name("networks.py").read_text(encoding="utf-8"))
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [name for name in names if not name.startswith("_")]
