"""Says on what a figure was measured."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

from tasks.core.processor import has_instructions

# Makers give processors of several generations one name; what matters here is what they can do.
_INSTRUCTIONS = {"AVX-512": "avx512f", "bfloat16": "avx512_bf16", "AMX": "amx_tile"}


def describe_machine(*packages: str) -> str:
    """One line: processor, cores, memory, Python and the versions of some packages."""
    able = [name for name, flag in _INSTRUCTIONS.items() if has_instructions(flag)]
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    cores = len(os.sched_getaffinity(0))
    return (
        f"{models[0] if models else platform.machine()} with {' and '.join(able or ['AVX2'])},"
        f" {cores} cores, {memory:.0f} GiB; Python {platform.python_version()}, {versions}."
    )
