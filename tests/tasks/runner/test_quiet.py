"""What native code prints is hidden, and comes to light when something fails."""

import os

import pytest

from tasks.runner.quiet import quiet


def test_what_a_block_prints_is_hidden(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet():
        os.write(1, b"hidden\n")
        os.write(2, b"hidden, too\n")
    os.write(1, b"after\n")
    assert capfd.readouterr() == ("after\n", "")


def test_what_a_block_that_fails_has_printed_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="fault"), quiet():
        os.write(1, b"by native code\n")
        raise ValueError("fault")
    assert capfd.readouterr() == ("", "by native code\n")
