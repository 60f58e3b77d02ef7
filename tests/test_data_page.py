"""What docs/data.md shows can be done as it stands there."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter
from ruamel.yaml import YAML

from tasks.core import parameters
from tasks.core.dataset import load_split
from tasks.ingest import source as interface
from tasks.ingest.parameters import IngestParameters
from tasks.ingest.stage import write_splits
from tests.conftest import PROJECT
from tests.tasks.ingest.conftest import make_data, make_pixels

PAGE = (PROJECT / "docs" / "data.md").read_text("utf-8")
FORMATS = ["folders", "table", "npz", "idx"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_each_format_is_shown_with_parameters_that_are_taken() -> None:
    shown = [YAML(typ="safe").load(block)["ingest"] for block in blocks("yaml")]
    assert [ingest["format"] for ingest in shown] == FORMATS
    for ingest in shown:
        TypeAdapter(IngestParameters).validate_python(ingest)


@pytest.mark.parametrize("key", list(parameters.DataParameters.model_fields))
def test_each_parameter_of_the_data_is_explained(key: str) -> None:
    assert f"`{key}`" in PAGE


def test_the_source_of_ones_own_is_a_source(tmp_path: Path) -> None:
    names: dict[str, Any] = vars(parameters) | vars(interface) | {"np": np, "Path": Path}
    (code,) = blocks("python")
    exec(code, names)
    np.save(tmp_path / "images.npy", make_pixels(30))
    np.save(tmp_path / "labels.npy", np.arange(30) % 3)
    wanted = names["ArraysParameters"](
        format="arrays", path=str(tmp_path), test_share=0.25, test_seed=1
    )
    data = make_data()
    assert write_splits(names["read_arrays"](wanted, data), tmp_path / "raw", data=data) == []
    splits = [load_split(name, tmp_path / "raw") for name in ("train", "test")]
    found = {image.tobytes() for split in splits for image in split.images}
    assert found == {image.tobytes() for image in make_pixels(30)}
