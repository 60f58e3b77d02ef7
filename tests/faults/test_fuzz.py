"""Every input that fuzzing kept, and that once reached new code, is read again."""

import pytest

from tests.faults.fuzz import READERS, SEEDS

pytestmark = pytest.mark.faults(
    "fuzzing of the IDX and image readers, guided by coverage (`python -m tests.faults.fuzz`)",
    "every input is read, or refused in one clear line; what is worth keeping is read each time",
)


@pytest.mark.parametrize("name", READERS)
def test_kept_inputs_are_read_or_refused(name: str) -> None:
    paths = sorted((SEEDS / name).iterdir())
    assert len(paths) > 20
    for path in paths:
        READERS[name](path.read_bytes())
