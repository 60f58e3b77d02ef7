"""The networks have the sizes that they claim; what can't be built is named."""

import sys
from pathlib import Path

import pytest

from tasks.runner.errors import InputError
from tasks.train import networks
from tasks.train.build import build_network
from tasks.train.parameters import built_in_networks


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        ("article", 94_154),
        ("light", 28_842),
        ("residual", 61_402),
        ("residual_deep", 210_074),
        ("residual_wide", 1_094_914),
    ],
)
def test_the_number_of_parameters_is_the_one_that_is_stated(
    architecture: str, expected: int
) -> None:
    network = build_network(architecture, image_shape=(28, 28, 1), num_classes=10)
    assert network.count_params() == expected
    assert f"{expected:,}" in (getattr(networks, architecture).__doc__ or "")


def test_every_public_function_is_a_network() -> None:
    assert built_in_networks() == [
        "article",
        "light",
        "residual",
        "residual_deep",
        "residual_wide",
    ]


def test_images_that_are_too_small_are_refused_with_their_size() -> None:
    with pytest.raises(InputError, match=r"article can't be built for images of 8×8×3: .*Name"):
        build_network("article", image_shape=(8, 8, 3), num_classes=4)


@pytest.mark.parametrize(
    ("architecture", "fault"),
    [
        ("absent.networks.mine", "there is no module absent"),
        ("own_networks.absent", "the module own_networks has no function absent"),
        ("own_networks.sure", "it gives probabilities; expected logits"),
        ("own_networks.nothing", "it gives NoneType; expected a Keras tensor or a model"),
    ],
)
def test_a_network_that_is_none_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: str, fault: str
) -> None:
    (tmp_path / "own_networks.py").write_text(
        "from keras import layers\n"
        "def sure(pixels):\n"
        "    return layers.Dense(4, activation='softmax')(layers.Flatten()(pixels))\n"
        "def nothing(pixels):\n"
        "    return None\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_networks", raising=False)
    with pytest.raises(InputError, match=fault):
        build_network(architecture, image_shape=(8, 8, 3), num_classes=4)
