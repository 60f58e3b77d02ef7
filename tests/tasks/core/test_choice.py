"""Every class gets images on each side, however few it has, and added images move hardly any."""

import numpy as np
import pytest

from tasks.core.choice import hold_out, rank_by_content
from tasks.runner.errors import InputError

USES = ("train", "validate", "test")


def choose_both(counts: list[int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels of so many images per class, and for each its use: 0 train, 1 validate, 2 test."""
    labels = np.repeat(np.arange(len(counts)), counts)
    classes = tuple(f"class {number}" for number in range(len(counts)))
    contents = [f"{seed} {number}".encode() for number in range(len(labels))]
    ranks = rank_by_content(contents, seed=seed, purpose=b"test")
    is_test = hold_out(ranks, labels, share=0.2, classes=classes, uses=USES)
    use = np.where(is_test, 2, 0)
    rest = np.flatnonzero(~is_test)
    ranks = rank_by_content([contents[place] for place in rest], seed=seed, purpose=b"")
    held = hold_out(ranks, labels[rest], share=0.1, classes=classes, uses=USES[:2])
    use[rest[held]] = 1
    return labels, use


@pytest.mark.parametrize(
    "counts",
    [[3, 3], [5] * 5, [10_000, 5], [10] * 100, [3, 4, 5, 6, 7, 1_000]],
    ids=["2 of 3", "5 of 5", "10,000 beside 5", "100 of 10", "from 3 to 1,000"],
)
@pytest.mark.parametrize("seed", range(20))
def test_each_class_has_images_to_train_validate_and_test_on(counts: list[int], seed: int) -> None:
    labels, use = choose_both(counts, seed)
    numbers = np.stack(
        [np.bincount(labels[use == each], minlength=len(counts)) for each in (0, 1, 2)]
    )
    assert numbers.min() >= 1


def test_a_large_class_gives_its_share_beside_a_small_one() -> None:
    """Within five standard deviations of a binomial distribution."""
    labels, use = choose_both([10_000, 5], 0)
    number = int(((labels == 0) & (use == 2)).sum())
    assert abs(number - 2_000) < 5 * np.sqrt(10_000 * 0.2 * 0.8)


@pytest.mark.parametrize("seed", range(20))
def test_added_images_move_one_image_of_a_small_class_at_most(seed: int) -> None:
    """The one that was held out although its rank is above the share."""
    generator = np.random.default_rng(seed)
    ranks = generator.random(200)
    labels = np.arange(200) % 20
    classes = tuple(map(str, range(20)))
    few, many = (
        hold_out(ranks[:number], labels[:number], share=0.1, classes=classes, uses=("a", "b"))
        for number in (60, 200)
    )
    moved = np.flatnonzero(few != many[:60])
    assert np.bincount(labels[moved], minlength=20).max() <= 1
    assert (ranks[moved] >= 0.1).all()


def test_images_of_the_same_content_stay_together() -> None:
    ranks = np.repeat([0.3, 0.4, 0.5], 2)
    held = hold_out(ranks, np.zeros(6, int), share=0.1, classes=("a",), uses=("a", "b"))
    assert held.tolist() == [True, True, False, False, False, False]


@pytest.mark.parametrize("labels", [[0, 0, 1, 1], [1, 1, 0, 0]])
def test_a_content_of_two_classes_moves_for_neither(labels: list[int]) -> None:
    """It was moved for one class, which left the other without a held-out image."""
    ranks = np.array([0.5, 0.6, 0.5, 0.3])
    held = hold_out(ranks, np.array(labels), share=0.1, classes=("a", "b"), uses=("a", "b"))
    assert held.tolist() == [False, True, False, True]
    with pytest.raises(InputError, match=r"class [01] \([ab]\) has 0"):
        hold_out(ranks[[0, 0, 0, 1]], np.array(labels), share=0.1, classes=("a", "b"), uses=("a",))


def test_classes_with_too_few_different_images_are_named_together_in_one_line() -> None:
    ranks = np.array([0.1, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    with pytest.raises(InputError) as caught:
        hold_out(
            ranks, np.array([0, 0, 0, 1, 2, 2, 2]), share=0.2, classes=("a", "b", "c"), uses=USES
        )
    assert str(caught.value).startswith(
        "Each class needs 3 different images, one each to train, validate and test on;"
        " class 0 (a) has 2, class 1 (b) has 1. "
    )
