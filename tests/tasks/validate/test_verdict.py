"""Each realistic corruption of real data is caught by the expectation that names it.

Where a mild form of it is harmless, that passes. docs/validation.md has the same on all 70,000.
"""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.corruptions import ALIGNED, CORRUPTIONS, Corruption, Splits
from tasks.core.dataset import ImageSplit
from tasks.validate.judge import Finding, describe, is_critical
from tasks.validate.verdict import validate


def broken_checks(splits: Splits, parameters: SimpleNamespace) -> dict[str, Finding]:
    # Without declared counts, so that each corruption has to be seen for itself.
    data = parameters.data.model_copy(update={"train_images": None, "test_images": None})
    _, findings = validate(splits, data=data, limits=parameters.validate)
    return {finding["check"]: finding for finding in findings if not finding["success"]}


def test_real_data_breaks_no_expectation(splits: Splits, parameters: SimpleNamespace) -> None:
    _, findings = validate(splits, data=parameters.data, limits=parameters.validate)
    assert [finding for finding in findings if not finding["success"]] == []
    assert len(findings) > 40


@pytest.mark.parametrize(
    "corruption",
    [corruption for corruption in CORRUPTIONS if corruption.check],
    ids=lambda corruption: corruption.name,
)
def test_a_corruption_is_caught_by_the_expectation_that_names_it(
    corruption: Corruption, splits: Splits, parameters: SimpleNamespace
) -> None:
    changed = corruption.change(splits, 1.0, np.random.default_rng(0))
    if corruption.check == "number of images":
        _, findings = validate(changed, data=parameters.data, limits=parameters.validate)
        broken = {finding["check"]: finding for finding in findings if not finding["success"]}
    else:
        broken = broken_checks(changed, parameters)
    assert corruption.check in broken
    finding = broken[corruption.check]
    assert is_critical(finding) or finding["severity"] == "warning"
    assert finding["expected"] in describe(finding)
    assert finding["observed"] in describe(finding)


@pytest.mark.parametrize(
    "corruption",
    [corruption for corruption in CORRUPTIONS if corruption.mild],
    ids=lambda corruption: corruption.name,
)
def test_a_mild_form_passes(
    corruption: Corruption, splits: Splits, parameters: SimpleNamespace
) -> None:
    assert corruption.mild is not None
    changed = corruption.change(splits, corruption.mild, np.random.default_rng(0))
    broken = broken_checks(changed, parameters)
    assert not any(is_critical(finding) for finding in broken.values())


def test_what_no_expectation_can_see_is_known(splits: Splits, parameters: SimpleNamespace) -> None:
    for corruption in CORRUPTIONS:
        if corruption.check is None:
            changed = corruption.change(splits, 1.0, np.random.default_rng(0))
            assert broken_checks(changed, parameters) == {}, corruption.name


def test_real_labels_pass_with_a_wide_margin_and_shuffled_ones_fail_with_one(
    splits: Splits, parameters: SimpleNamespace
) -> None:
    shuffle = next(corruption for corruption in CORRUPTIONS if corruption.name == "labels shuffled")
    shuffled = shuffle.change(splits, 1.0, np.random.default_rng(0))
    limit = parameters.validate.min_centroid_recall
    found = float(broken_checks(shuffled, parameters)[ALIGNED]["observed"])
    assert found < limit / 2
    raised = parameters.validate.model_copy(update={"min_centroid_recall": limit * 1.1})
    _, findings = validate(splits, data=parameters.data, limits=raised)
    assert not any(is_critical(finding) for finding in findings)


def test_a_duplicate_is_shown_with_its_original(
    splits: Splits, parameters: SimpleNamespace
) -> None:
    train, test = splits["train"], splits["test"]
    images = np.array(train.images)
    images[7] = test.images[3]
    images[9] = train.images[2]
    changed: Splits = {"train": ImageSplit(images, train.labels), "test": test}
    broken = broken_checks(changed, parameters)
    leaked = broken["test images that are training images"]
    assert leaked["first_images"] == [{"split": "test", "index": 3}]
    assert leaked["originals"] == [{"split": "train", "index": 7}]
    repeated = broken["duplicates within the split"]
    assert repeated["first_images"] == [{"split": "train", "index": 9}]
    assert repeated["originals"] == [{"split": "train", "index": 2}]


def test_imbalance_that_is_declared_passes_and_is_refused_when_it_changes(
    splits: Splits, parameters: SimpleNamespace
) -> None:
    train, test = splits["train"], splits["test"]

    def keep(split: ImageSplit, share: float) -> ImageSplit:
        members = np.flatnonzero(split.labels == 0)
        dropped = members[: round(len(members) * share)]
        kept = np.setdiff1d(np.arange(len(split.labels)), dropped)
        return ImageSplit(split.images[kept], split.labels[kept])

    skewed: Splits = {"train": keep(train, 0.5), "test": keep(test, 0.5)}
    shares = (0.5 / 9.5, *(1 / 9.5,) * 9)
    declared = SimpleNamespace(
        data=parameters.data, validate=parameters.validate.model_copy(update={"shares": shares})
    )
    assert broken_checks(skewed, declared) == {}
    assert "balance: share of each class" in broken_checks(splits, declared)
    assert "balance: share of each class" in broken_checks(skewed, parameters)


def test_one_absent_class_of_ten_exceeds_the_divergence_too(
    splits: Splits, parameters: SimpleNamespace
) -> None:
    drop = next(corruption for corruption in CORRUPTIONS if corruption.name == "a class dropped")
    broken = broken_checks(drop.change(splits, 1.0, np.random.default_rng(0)), parameters)
    divergence = broken["balance: divergence from the expected shares"]
    assert float(divergence["observed"]) > 4 * parameters.validate.max_divergence


def test_at_least_twenty_corruptions_are_caught() -> None:
    assert len([corruption for corruption in CORRUPTIONS if corruption.check]) >= 20


def test_the_same_data_gives_the_same_findings(splits: Splits, parameters: SimpleNamespace) -> None:
    first = validate(splits, data=parameters.data, limits=parameters.validate)[1]
    second = validate(splits, data=parameters.data, limits=parameters.validate)[1]
    assert first == second
