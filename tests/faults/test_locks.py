"""The files that say who is at work and what was done are emptied, cut or in conflict."""

import random
import re
from pathlib import Path

import pytest

from tests.faults.rig import Reference, digest_files, require_sound_cache, run

pytestmark = pytest.mark.faults(
    "empty or corrupt lock files; missing, cut or conflicted `dvc.lock`",
    "heals by itself, or one line with the remedy",
)

LOCKS = (
    ".pipeline/run.lock",
    ".pipeline/stage.lock",
    ".dvc/tmp/lock",
    ".dvc/tmp/rwlock",
    ".dvc/tmp/rwlock.lock",
)


@pytest.mark.parametrize("content", [b"", b"{\xff"], ids=["empty", "noise"])
def test_lock_files_that_nobody_holds_do_not_matter(finished: Path, content: bytes) -> None:
    for name in LOCKS:
        (finished / name).parent.mkdir(exist_ok=True)
        (finished / name).write_bytes(content)
    (finished / ".dvc" / "cache" / "runs" / "aa" / "aabb").mkdir(parents=True)
    healed = run("cli", "heal", root=finished).stdout
    assert re.findall("removed (.+), which", healed) == [
        ".dvc/tmp/rwlock",
        ".dvc/cache/runs/aa/aabb",
    ]
    assert "up to date" in run("dvc", "repro", root=finished).stdout


@pytest.mark.long
def test_a_missing_dvc_lock_is_made_anew_from_the_cache(
    finished: Path, reference: Reference
) -> None:
    (finished / "dvc.lock").unlink()
    run("dvc", "repro", root=finished)
    assert digest_files(finished) == reference.files


def test_a_conflicted_dvc_lock_is_one_line_with_the_remedy(
    finished: Path, reference: Reference
) -> None:
    lock = finished / "dvc.lock"
    ours, theirs = lock.read_text(), lock.read_text().replace("size: ", "size: 1")
    lock.write_text(f"<<<<<<< HEAD\n{ours}=======\n{theirs}>>>>>>> other\n")
    heal_and_compare(finished, reference)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
def test_a_dvc_lock_cut_anywhere(finished: Path, reference: Reference, seed: int) -> None:
    lock = finished / "dvc.lock"
    content = lock.read_bytes()
    lock.write_bytes(content[: random.Random(seed).randrange(len(content))])
    heal_and_compare(finished, reference)


def heal_and_compare(root: Path, reference: Reference) -> None:
    """Does what the message says, if there is one, and runs the pipeline."""
    healed = run("cli", "heal", root=root, check=False)
    if healed.returncode:
        assert healed.stdout.count("\n") == 1
        assert "Mend it: rm dvc.lock; dvc repro" in healed.stdout
        (root / "dvc.lock").unlink()
    run("dvc", "repro", root=root)
    assert digest_files(root) == reference.files
    require_sound_cache(root)
