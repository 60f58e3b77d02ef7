"""The gate is right for few images and many classes: small parts of benchmarks/gate.py."""

import pytest

from benchmarks.gate import simulate


@pytest.mark.parametrize(
    ("num_classes", "num_images"), [(2, 10), (2, 100), (10, 20), (10, 100), (50, 20)]
)
def test_the_gate_passes_what_is_better_and_stops_what_lost_a_class(
    num_classes: int, num_images: int
) -> None:
    """Of 100 seeded draws of each kind; three standard errors of chance are allowed for."""
    shares = simulate(num_classes, num_images, draws=100, seed=0)
    assert shares["equal"] <= 0.05 + 0.06
    assert shares["worse"] <= 0.05 + 0.06
    assert shares["lost"] >= 0.9
    if shares["gained"]:
        assert shares["accepted"] >= 0.95
