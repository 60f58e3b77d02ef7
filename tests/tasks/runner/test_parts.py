"""Parts on this machine's cores: in order, as they are needed, within each other in one thread."""

import threading
from collections.abc import Iterator

import pytest

from tasks.runner.errors import InputError
from tasks.runner.parts import SCHEDULER_VARIABLE, map_parts, run_parts


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SCHEDULER_VARIABLE, raising=False)


def test_results_come_in_the_order_of_the_parts_which_are_taken_as_they_are_needed() -> None:
    taken: list[int] = []

    def parts() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    results = run_parts(str, parts())
    assert next(results) == "0"
    assert len(taken) < 900
    assert list(results) == [str(number) for number in range(1, 1000)]


def test_parts_of_a_part_are_worked_on_in_the_thread_that_asks() -> None:
    def threads_of(number: int) -> set[int]:
        names = map_parts(lambda _: threading.get_ident(), range(8), size=2)
        return {threading.get_ident(), *names}

    for threads in run_parts(threads_of, range(4)):
        assert len(threads) == 1


def test_what_a_part_raises_is_raised_here() -> None:
    with pytest.raises(InputError, match="no"):
        list(run_parts(refuse, [1]))


def refuse(number: int) -> None:
    raise InputError("no")


def test_a_label_without_a_cluster_is_refused() -> None:
    with pytest.raises(InputError, match=r"worker with gpu is asked for.* DASK_SCHEDULER_ADDRESS="):
        list(run_parts(str, [1], labels={"gpu": 1}))
