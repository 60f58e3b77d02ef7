"""The networks have the sizes that they claim."""

import pytest

from tasks.runner.errors import InputError
from tasks.train.networks import ARCHITECTURES, MINIMUM_SIZES, build_network


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        ("article", 94_154),
        ("light", 28_842),
        ("residual", 61_402),
        ("residual_deep", 210_074),
    ],
)
def test_the_number_of_parameters_is_the_one_that_is_stated(
    architecture: str, expected: int
) -> None:
    network = build_network(architecture, image_shape=(28, 28, 1), num_classes=10)
    assert network.count_params() == expected
    assert f"{expected:,}" in (ARCHITECTURES[architecture].__doc__ or "")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_smallest_size_is_taken_and_one_less_is_refused_by_name(architecture: str) -> None:
    smallest = MINIMUM_SIZES[architecture]
    network = build_network(architecture, image_shape=(smallest, smallest, 3), num_classes=4)
    assert network.output_shape == (None, 4)
    with pytest.raises(InputError, match=rf"{architecture} takes {smallest}×{smallest}"):
        build_network(architecture, image_shape=(64, smallest - 1, 3), num_classes=4)
