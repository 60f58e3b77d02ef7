"""A stage computes with what every x86-64 processor with AVX2 has, whatever the user has set."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.core.processor import has_instructions
from tests.conftest import PROJECT

PROGRAM = """
import sys
from tasks.runner.stage import run_stage
assert "numpy" not in sys.modules
def main():
    from numpy._core import _multiarray_umath as numpy
    print(*(name for name in numpy.__cpu_dispatch__ if numpy.__cpu_features__[name]))
    import os
    print(os.environ["OPENBLAS_CORETYPE"], os.environ["NPY_ENABLE_CPU_FEATURES"])
run_stage("example", "__main__")
"""


@pytest.mark.skipif(not has_instructions("avx2"), reason="this processor has no AVX2")
@pytest.mark.parametrize(
    "users",
    [{}, {"NPY_DISABLE_CPU_FEATURES": "X86_V3", "OPENBLAS_CORETYPE": "Prescott"}],
    ids=["nothing set", "other things set"],
)
def test_numpy_and_openblas_use_no_newer_instructions(
    tmp_path: Path, users: dict[str, str]
) -> None:
    completed = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(PROJECT)} | users,
        capture_output=True,
        text=True,
        check=True,
    )
    assert completed.stdout.splitlines() == ["X86_V3", "Haswell X86_V3"]
    assert completed.stderr == ""


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("avx2 avx512_bf16 fma", True), ("avx2 amx_bf16_other fma", False), ("fp asimd bf16", True)],
)
def test_the_processor_is_asked_for_instructions(
    tmp_path: Path, flags: str, expected: bool
) -> None:
    processors = tmp_path / "cpuinfo"
    processors.write_text(f"processor\t: 0\nflags\t\t: fpu {flags}\n")
    assert has_instructions("avx512_bf16", "bf16", processors=processors) is expected


def test_no_statement_of_the_processor_counts_as_no(tmp_path: Path) -> None:
    assert not has_instructions("bf16", processors=tmp_path / "cpuinfo")
