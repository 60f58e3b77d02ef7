"""What becomes of a file is what docs/data.md says, in ingest as in predict."""

import json
from pathlib import Path

import pytest

from tasks.images.policy import ImagePolicy
from tasks.images.sources import open_source
from tasks.ingest.parameters import FoldersParameters
from tasks.ingest.stage import read_source, write_splits
from tests.tasks.images.cases import CASES, MARK, PAGE, Case, render_table
from tests.tasks.ingest.conftest import FILES, make_data, save_classes

NUMBER = 48  # of the good images beside the one in question


@pytest.fixture(params=CASES, ids=lambda case: f"{case.what}, {dict(case.options)}")
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture
def folder(tmp_path: Path, case: Case) -> Path:
    folder = tmp_path / "animals"
    save_classes(folder)
    case.write(folder / "cat" / case.name)
    return folder


def test_ingest_reads_refuses_or_leaves_aside_what_the_table_says(
    case: Case, folder: Path, tmp_path: Path
) -> None:
    parameters = FILES | {"format": "folders", "path": str(folder), "max_faulty_share": 0.1}
    source = FoldersParameters.model_validate(parameters | dict(case.options))
    data = make_data()
    lines = write_splits(read_source(source, data), tmp_path / "raw", data=data)
    manifest = json.loads((tmp_path / "raw" / "manifest.json").read_text("utf-8"))
    number = sum(
        array["shape"][0] for name, array in manifest["arrays"].items() if "images" in name
    )
    origin = manifest["origin"]
    kind = case.outcome.removeprefix("left aside: ")
    if case.outcome == "read":
        assert (number, origin["left_out"], origin["left_aside"]) == (NUMBER + 1, {}, {})
        assert lines == []
        return
    told = "left_aside" if case.outcome.startswith("left aside") else "left_out"
    assert number == NUMBER
    assert origin[told] == {kind: 1}
    assert len(lines) == 1
    assert case.name in lines[0]


def test_predict_reads_refuses_or_leaves_aside_what_the_table_says(
    case: Case, folder: Path
) -> None:
    policy = ImagePolicy.of(
        make_data(),
        FoldersParameters.model_validate(
            FILES | {"format": "folders", "path": str(folder)} | dict(case.options)
        ),
    )
    source = open_source(folder, policy)
    (batch,) = source.batches(100)
    errors = [error for error in batch.errors if error is not None]
    outcome = case.predict or case.outcome
    assert len(batch.pixels) == NUMBER + (outcome == "read")
    if outcome.startswith("left aside"):
        assert source.aside.counts == {outcome.removeprefix("left aside: "): 1}
    elif outcome != "read":
        assert len(errors) == 1
        assert outcome in errors[0]


def test_the_page_tells_what_is_tested() -> None:
    _, _, rest = PAGE.read_text("utf-8").partition(f"<!-- {MARK} -->\n")
    assert rest.partition("\n<!-- end of")[0] == render_table()
