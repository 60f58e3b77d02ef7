"""Every input that fuzzing kept, and that once reached new code, is read again."""

import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import PROJECT, environment
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


@pytest.mark.long
@pytest.mark.parametrize("name", READERS)
def test_a_minute_of_new_inputs_is_read_or_refused(
    name: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    if find_spec("atheris") is None:
        pytest.skip("needs pip install atheris")
    completed = subprocess.run(
        [sys.executable, "-m", "tests.faults.fuzz", name, "60", str(tmp_path)],
        cwd=PROJECT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout[-3000:]
    found = re.search(r"number_of_executed_units: (\d+)", completed.stdout)
    assert found is not None, completed.stdout[-3000:]
    record_property("result", f"{name}: {int(found[1]):,} inputs in a minute")
