"""The steps of an epoch depend on the seed and the epoch's number alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.train.parameters import TrainParameters
from tasks.train.schedule import num_steps, plan_epoch, relative_rate


@given(st.integers(1, 200), st.integers(1, 64))
def test_no_image_has_two_turns_in_an_epoch_and_all_batches_are_alike(
    recipe: TrainParameters, num_images: int, batch_size: int
) -> None:
    parameters = recipe.model_copy(update={"batch_size": batch_size})
    batches = list(plan_epoch(0, num_images=num_images, parameters=parameters))
    positions = np.concatenate([batch.positions for batch in batches])
    assert len(set(positions)) == len(positions)
    assert {len(batch.positions) for batch in batches} == {min(batch_size, num_images)}
    assert num_images - len(positions) < batch_size
    assert len(batches) == num_steps(num_images, batch_size)


def test_an_epoch_can_be_planned_without_those_before_it(recipe: TrainParameters) -> None:
    first, second = (list(plan_epoch(3, num_images=100, parameters=recipe)) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        for mine, its in zip(one, other, strict=True):
            np.testing.assert_array_equal(mine, its)


def test_epochs_and_seeds_differ_in_order(recipe: TrainParameters) -> None:
    other_seed = recipe.model_copy(update={"seed": recipe.seed + 1})
    orders = {
        tuple(next(plan_epoch(epoch, num_images=100, parameters=parameters)).positions)
        for epoch in (0, 1)
        for parameters in (recipe, other_seed)
    }
    assert len(orders) == 4


def test_an_image_is_mirrored_in_every_other_epoch(recipe: TrainParameters) -> None:
    mirrored = np.empty((4, 96), dtype=bool)
    for epoch in range(4):
        for batch in plan_epoch(
            epoch, num_images=96, parameters=recipe.model_copy(update={"flip": True})
        ):
            mirrored[epoch, batch.positions] = batch.mirrored
    np.testing.assert_array_equal(mirrored[0], ~mirrored[1])
    np.testing.assert_array_equal(mirrored[0], mirrored[2])
    assert 0.3 < mirrored[0].mean() < 0.7


def test_nothing_is_moved_or_mirrored_unless_asked_for(recipe: TrainParameters) -> None:
    parameters = recipe.model_copy(update={"flip": False, "shift": 0})
    for batch in plan_epoch(1, num_images=100, parameters=parameters):
        assert not batch.mirrored.any()
        assert not batch.shifts.any()


@given(st.integers(1, 500), st.floats(0.01, 0.99))
def test_one_cycle_goes_up_to_the_rate_and_down_again(steps: int, warmup_share: float) -> None:
    rates = [
        relative_rate(step, steps=steps, schedule="one_cycle", warmup_share=warmup_share)
        for step in range(steps)
    ]
    assert 0 < min(rates) <= max(rates) <= 1
    top = int(np.argmax(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert abs((top + 0.5) / steps - warmup_share) <= 1 / steps


@pytest.mark.parametrize("step", [0, 5, 9])
def test_a_constant_rate_stays(step: int) -> None:
    assert relative_rate(step, steps=10, schedule="constant", warmup_share=0.5) == 1
