"""params.yaml is typed and closed: each fault is one line that names key and value."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tasks.runner.errors import InputError
from tests.conftest import PROJECT, read_parameters, write_parameters
from workspace.check import check, check_parameters

GRAPH = PROJECT / "dvc.yaml"


def checked(path: Path) -> dict[str, Any]:
    """What a parameters file beside the project's graph holds."""
    shutil.copy(GRAPH, path.parent)
    return check_parameters(path, path.parent / "dvc.yaml")


def message_for(folder: Path, parameters: dict) -> str:
    write_parameters(folder, parameters)
    with pytest.raises(InputError) as caught:
        checked(folder / "params.yaml")
    return str(caught.value)


def test_a_negative_count_is_refused(tmp_path: Path, raw_parameters: dict) -> None:
    raw_parameters["train"]["epochs"] = -3
    message = message_for(tmp_path, raw_parameters)
    assert message.count("\n") == 0
    assert "train.epochs = -3" in message
    assert "greater than or equal to 1" in message


def test_a_misspelt_key_is_named_with_the_one_that_is_meant(
    tmp_path: Path, raw_parameters: dict
) -> None:
    raw_parameters["train"]["epoch"] = 3
    message = message_for(tmp_path, raw_parameters)
    assert message.count("\n") == 0
    assert "train.epoch = 3 is unknown" in message
    assert "Did you mean epochs?" in message


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("cron", "99 6 * * *", "Bad minute. Allowed are five fields"),
        ("cron", "daily at six o clock", "Bad minute. Allowed are five fields"),
        ("timezone", "Europe/Atlantis", "Allowed are the names of the IANA database"),
        ("webhook", "hooks.example.invalid/1", "Expected env:VARIABLE or secret:BLOCK"),
        ("retries", -1, "greater than or equal to 0"),
    ],
)
def test_an_impossible_schedule_or_address_is_refused(
    tmp_path: Path, raw_parameters: dict, key: str, value: object, allowed: str
) -> None:
    raw_parameters["flow"][key] = value
    message = message_for(tmp_path, raw_parameters)
    assert message.count("\n") == 0
    assert f"flow.{key} = {value!r} is not allowed. " in message
    assert allowed in message


def test_a_missing_section_is_named_with_those_expected(
    tmp_path: Path, raw_parameters: dict
) -> None:
    del raw_parameters["train"]
    message = message_for(tmp_path, raw_parameters)
    assert message.count("\n") == 0
    assert "train is missing" in message
    assert "data, ingest, validate, prepare, train, evaluate, report" in message


def test_every_fault_gets_its_own_line(tmp_path: Path, raw_parameters: dict) -> None:
    raw_parameters["train"]["epochs"] = "many"
    raw_parameters["prepare"]["validation_share"] = 1.5
    lines = message_for(tmp_path, raw_parameters).splitlines()
    assert ["prepare.validation_share = 1.5" in lines[0], "train.epochs = 'many'" in lines[1]] == [
        True,
        True,
    ]


@pytest.mark.parametrize("value", [True, "3", 3.0, None, [3]])
def test_a_value_of_another_type_is_never_converted(
    tmp_path: Path, raw_parameters: dict, value: object
) -> None:
    raw_parameters["train"]["epochs"] = value
    assert "train.epochs" in message_for(tmp_path, raw_parameters)


@pytest.mark.parametrize(
    "content", ["", "- a list", "a: [", "a: 1\na: 2", "!!python/object:os.x {}"]
)
def test_a_file_that_is_no_mapping_of_sections_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=r"params\.yaml"):
        checked(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is missing"):
        checked(tmp_path / "params.yaml")


@given(share=st.floats())
def test_a_share_lies_strictly_between_0_and_1(
    tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    folder = tmp_path_factory.mktemp("share")
    parameters = read_parameters()
    parameters["prepare"]["validation_share"] = share
    if 0 < share < 1:
        write_parameters(folder, parameters)
        assert checked(folder / "params.yaml")["prepare"].validation_share == share
    else:
        assert "prepare.validation_share" in message_for(folder, parameters)


def test_the_command_ends_with_one_line_and_a_failing_status(
    tmp_path: Path, raw_parameters: dict
) -> None:
    raw_parameters["train"]["epochs"] = -3
    write_parameters(tmp_path, raw_parameters)
    shutil.copy(GRAPH, tmp_path)
    completed = subprocess.run(
        [sys.executable, "-m", "cli", "check"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 1
    assert completed.stderr.startswith("params.yaml: train.epochs = -3")
    assert completed.stderr.count("\n") == 1


@pytest.fixture
def root(tmp_path: Path, raw_parameters: dict, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all that the command looks at."""
    raw_parameters["ingest"]["path"] = "data/source"
    write_parameters(tmp_path, raw_parameters)
    shutil.copy(GRAPH, tmp_path)
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "baseline.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("output", ["data/raw", "data/prepared", "models/candidate"])
def test_what_a_person_put_into_an_output_is_refused_before_dvc_removes_it(
    root: Path, output: str
) -> None:
    check()
    (root / output).mkdir(parents=True)
    check()
    (root / output / "mine.npy").touch()
    with pytest.raises(InputError, match=rf"^{output} holds what no run wrote: mine\.npy; "):
        check()
    subprocess.run(["mv", output, "mine"], cwd=root, check=True)
    check()


@pytest.mark.parametrize("path", ["data/raw", "data/raw/cats", "data"])
def test_a_source_inside_an_output_is_refused(root: Path, raw_parameters: dict, path: str) -> None:
    raw_parameters["ingest"]["path"] = path
    write_parameters(root, raw_parameters)
    with pytest.raises(InputError, match=f"^{path} is an input of ingest, and data/raw is its out"):
        check()


def test_a_baseline_that_was_removed_is_told_and_the_remedy_helps(root: Path) -> None:
    (root / "reports" / "baseline.json").unlink()
    with pytest.raises(InputError, match=r"reports/baseline\.json is missing") as caught:
        check()
    subprocess.run(["sh", "-c", str(caught.value).partition(": ")[2]], cwd=root, check=True)
    check()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"format": "zip"}, "ingest.format = 'zip' is unknown. Allowed: idx, npz, folders, table."),
        ({"timeout": -1.0}, "ingest.timeout = -1.0 is not allowed"),
        ({"pth": "x"}, "ingest.pth = 'x' is unknown"),
        (
            {"sha256": {"train-images": "0" * 64}},
            "ingest.sha256.train_images is missing",
        ),
        (
            {"urls": ["example.org/images"]},
            "ingest.urls.0 = 'example.org/images' is not allowed. Expected an address",
        ),
    ],
)
def test_a_fault_in_the_section_of_the_source_is_named_without_its_format(
    tmp_path: Path, raw_parameters: dict, changes: dict, expected: str
) -> None:
    raw_parameters["ingest"] |= changes
    assert message_for(tmp_path, raw_parameters).startswith(f"{tmp_path}/params.yaml: {expected}")


def test_a_source_without_a_format_is_refused(tmp_path: Path, raw_parameters: dict) -> None:
    del raw_parameters["ingest"]["format"]
    expected = "ingest.format is missing. Allowed: idx, npz, folders, table."
    assert expected in message_for(tmp_path, raw_parameters)


def test_a_class_may_stand_there_once(tmp_path: Path, raw_parameters: dict) -> None:
    raw_parameters["data"]["classes"] = ["Bag", "Coat", "Bag"]
    assert "Each name may stand there once" in message_for(tmp_path, raw_parameters)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=5,
)


def refusal(path: Path) -> str:
    """Reads a file of parameters; what is wrong with it, and nothing if it is taken."""
    try:
        checked(path)
    except InputError as error:
        return str(error)
    return ""


@settings(deadline=None)
@given(content=st.binary(max_size=99) | st.text(max_size=99).map(str.encode))
def test_no_bytes_end_in_another_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "params.yaml"
    path.write_bytes(content)
    assert refusal(path).startswith(str(path))


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_any_value_anywhere_is_taken_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    parameters = read_parameters()
    section = data.draw(st.sampled_from(sorted(parameters)))
    key = data.draw(st.sampled_from(sorted(parameters[section])))
    parameters[section][key] = data.draw(VALUES)
    path = tmp_path_factory.getbasetemp() / "params.yaml"
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(parameters, file)
    faults = refusal(path).splitlines()
    assert all(f"{section}.{key}" in fault for fault in faults), faults
