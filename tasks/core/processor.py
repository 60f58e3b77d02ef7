"""Makes every x86-64 processor with AVX2 and FMA compute the same bits.

NumPy and OpenBLAS choose code by the processor, and what they choose adds in another order or
rounds otherwise. Both read the environment when they are imported.
"""

import os
from pathlib import Path

PROCESSORS = Path("/proc/cpuinfo")
# Also where the user has set them: the bytes of an output must not depend on that.
_SAME_BITS = {
    "NPY_ENABLE_CPU_FEATURES": "X86_V3",  # and no newer instructions
    "OPENBLAS_CORETYPE": "Haswell",
    "OPENBLAS_NUM_THREADS": "1",  # the number decides how sums are split
}


def pin_processor() -> None:
    """Sets what NumPy and OpenBLAS read, where the processor has what all must have."""
    os.environ.pop("NPY_DISABLE_CPU_FEATURES", None)  # NumPy refuses both together
    if has_instructions("avx2"):
        os.environ.update(_SAME_BITS)


def has_instructions(*names: str, processors: Path = PROCESSORS) -> bool:
    """Whether the processor has any of these instructions, as Linux lists its abilities."""
    if not processors.exists():
        return False
    words = processors.read_text(encoding="utf-8", errors="replace").split()
    return not set(names).isdisjoint(words)
