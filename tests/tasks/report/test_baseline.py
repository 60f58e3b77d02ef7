"""A baseline is small, unpacks to what it was, and knows which images it was judged on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.report.baseline import is_comparable, pack_baseline, unpack_predicted


@given(st.lists(st.integers(0, 255), min_size=1, max_size=300))
def test_a_packed_baseline_unpacks_to_what_it_was(predicted: list[int]) -> None:
    baseline = pack_baseline({}, np.array(predicted), origin="commit 1234567")
    assert unpack_predicted(baseline).tolist() == predicted


def test_ten_thousand_answers_take_a_few_kilobytes() -> None:
    answers = np.random.default_rng(0).integers(0, 10, 10_000)
    baseline = pack_baseline({}, answers, origin="commit 1234567")
    assert len(str(baseline["predicted"])) < 7_000


@pytest.mark.parametrize("name", ["test_images", "test_labels"])
def test_models_judged_on_other_images_or_labels_are_not_compared(name: str) -> None:
    hashes = {"model": "a", "test_images": "b", "test_labels": "c"}
    metrics = {"sha256": hashes, "classes": {"cat": {}}}
    baseline = pack_baseline(metrics, np.zeros(1), origin="commit 1234567")
    assert is_comparable(baseline, metrics)
    assert is_comparable(baseline, metrics | {"sha256": hashes | {"model": "d"}})
    assert not is_comparable(baseline, metrics | {"sha256": hashes | {name: "d"}})
    assert not is_comparable(baseline, metrics | {"classes": {"dog": {}}})
