"""The network and its file belong together, as DVC watches the file; so do precision and bits."""

import pytest

from tasks.core.parameters import check_section
from tasks.runner.errors import InputError
from tasks.train.parameters import TrainParameters
from tests.conftest import read_parameters


def check(architecture: str, network_file: str) -> None:
    section = read_parameters()["train"]
    section |= {"architecture": architecture, "network_file": network_file}
    check_section("train", TrainParameters, section)


@pytest.mark.parametrize(
    ("architecture", "network_file"),
    [
        ("light", "tasks/train/networks.py"),
        ("mine.my_net", "mine.py"),
        ("mine.networks.my_net", "mine/networks.py"),
        ("mine.networks.my_net", "mine/networks/__init__.py"),
        ("mine.networks.my_net", "mine"),
    ],
)
def test_the_file_of_the_network_is_taken_or_a_folder_with_it(
    architecture: str, network_file: str
) -> None:
    check(architecture, network_file)


@pytest.mark.parametrize(
    ("architecture", "network_file", "fault"),
    [
        ("lite", "tasks/train/networks.py", "architecture = 'lite' is not allowed. Allowed: art"),
        ("light", "mine.py", "network_file = 'mine.py' is not allowed. light is a function in"),
        ("mine.my_net", "tasks/train/networks.py", "my_net is a function in mine.py; expected"),
        ("mine.my_net", ".", "my_net is a function in mine.py; expected"),
    ],
)
def test_another_name_or_file_is_refused_by_name(
    architecture: str, network_file: str, fault: str
) -> None:
    with pytest.raises(InputError, match=fault):
        check(architecture, network_file)


def test_bfloat16_is_refused_on_what_every_processor_has() -> None:
    section = read_parameters()["train"] | {"precision": "bfloat16"}
    check_section("train", TrainParameters, section | {"processor": "native"})
    with pytest.raises(InputError, match=r"processor = 'portable'.*expected\s+native"):
        check_section("train", TrainParameters, section | {"processor": "portable"})
