"""What is read from a sealed folder is what was written, or it is refused with the remedy."""

import subprocess
from pathlib import Path

import pytest

from tasks.core.files import sha256_of
from tasks.core.seal import SEAL_NAME, seal, sealed
from tasks.runner.errors import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    seal(tmp_path)
    return tmp_path


def test_what_was_sealed_is_given_back(folder: Path) -> None:
    assert sealed(folder / "a", stage="example").read_text() == "a"


def test_coreutils_agree(folder: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--quiet", SEAL_NAME], cwd=folder, check=True)


def test_sealing_twice_gives_the_same_bytes(folder: Path) -> None:
    before = (folder / SEAL_NAME).read_bytes()
    seal(folder)
    assert (folder / SEAL_NAME).read_bytes() == before


@pytest.mark.parametrize("content", ["", "A", "aa"])
def test_other_bytes_are_refused_with_both_hashes_and_the_remedy(
    folder: Path, content: str
) -> None:
    expected = sha256_of(folder / "a")
    (folder / "a").write_text(content)
    with pytest.raises(InputError) as error:
        sealed(folder / "a", stage="example")
    assert sha256_of(folder / "a") in str(error.value)
    assert expected in str(error.value)
    remedy = f"Mend it: rm -r {folder}; dvc repro --force --single-item example"
    assert str(error.value).endswith(remedy)


def test_a_missing_file_is_refused(folder: Path) -> None:
    (folder / "a").unlink()
    with pytest.raises(InputError, match="its SHA-256 is no file"):
        sealed(folder / "a", stage="example")


def test_a_file_that_came_later_is_refused(folder: Path) -> None:
    (folder / "c").write_text("c")
    with pytest.raises(InputError, match="SHA256SUMS says nothing"):
        sealed(folder / "c", stage="example")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"one word\n"])
def test_a_damaged_seal_is_refused(folder: Path, content: bytes) -> None:
    (folder / SEAL_NAME).write_bytes(content)
    with pytest.raises(InputError, match=r"SHA256SUMS (can't be read|says nothing).*Mend it"):
        sealed(folder / "a", stage="example")


@pytest.mark.parametrize("name", ["..", ".", "", "../b", "/etc/passwd", "inner/b", "b/"])
def test_a_seal_that_names_what_is_no_file_of_the_folder_is_refused(
    folder: Path, name: str
) -> None:
    with (folder / SEAL_NAME).open("a") as file:
        file.write(f"{sha256_of(folder / 'a')}  {name}\n")
    with pytest.raises(InputError, match=r"SHA256SUMS names .* no file of the folder\. Mend"):
        sealed(folder / "a", stage="example")


def test_no_seal_is_refused(folder: Path) -> None:
    (folder / SEAL_NAME).unlink()
    with pytest.raises(InputError, match=r"SHA256SUMS can't be read.*Mend it"):
        sealed(folder / "a", stage="example")
