"""Other users, whom only root can become, and not within every namespace."""

import os
from pathlib import Path

import pytest

NOBODY = 65534


def _is_mapped(user: int) -> bool:
    """Whether the namespace of this process knows a user (user_namespaces(7))."""
    ranges = (line.split() for line in Path("/proc/self/uid_map").read_text().splitlines())
    return any(int(first) <= user < int(first) + int(count) for first, _, count in ranges)


needs_other_users = pytest.mark.skipif(
    os.geteuid() != 0 or not _is_mapped(NOBODY),
    reason="only root can become somebody else, and only where there is anybody else",
)
