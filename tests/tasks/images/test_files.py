"""What lies in a folder is listed whole, or told."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tasks.images.files import list_files, read_file
from tasks.runner.errors import InputError
from tests.users import NOBODY, needs_other_users


@contextmanager
def without_privileges() -> Iterator[None]:
    """Root may read everything."""
    user = os.geteuid()
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


@needs_other_users
def test_a_folder_that_can_not_be_opened_is_among_the_files_and_told_when_it_is_read() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        root.chmod(0o755)
        (root / "a.png").write_bytes(b"image")
        (root / "closed").mkdir(mode=0)
        with without_privileges():
            found = list_files(root)
            assert found.files == [root / "a.png", root / "closed"]
            with pytest.raises(InputError, match="closed can't be read: Permission denied"):
                read_file(root / "closed", name="closed", follow_links=True)


def test_files_come_in_the_order_of_their_names_and_what_is_left_aside_is_counted(
    tmp_path: Path,
) -> None:
    for name in ("b/2.png", "b/1.png", "a.png", "b/.git/x.png", "c/__MACOSX/b/1.png", "c/3.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"image")
    for number in range(5):
        (tmp_path / f"~${number}.png").write_bytes(b"lock")
    found = list_files(tmp_path)
    names = [path.relative_to(tmp_path).as_posix() for path in found.files]
    assert names == ["a.png", "b/1.png", "b/2.png", "c/3.png"]
    assert list(found.aside.describe()) == [
        "of a system or a program: 6 (c/__MACOSX, ~$0.png, ~$1.png, …)",
        "hidden: 1 (b/.git)",
    ]


def test_links_that_lead_to_each_other_end(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    assert list_files(tmp_path).files == [tmp_path / "a" / "up", tmp_path / "loop"]
    with pytest.raises(InputError, match="loop is a link, which isn't followed"):
        read_file(tmp_path / "loop", name="loop", follow_links=True)
