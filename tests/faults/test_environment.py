"""Machines that differ in what must not matter: clock, time zone, locale, umask."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import environment
from tests.faults.rig import Reference, digest_files

pytestmark = pytest.mark.faults(
    "clock set back by thirty years, other time zone, `LC_ALL=C`, `umask 077`", "same bytes"
)

# Shifts the clock of every program that asks the C library.
SHIFT = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
#define BACK (30L * 365 * 24 * 3600)
int clock_gettime(clockid_t id, struct timespec *t) {
    int (*next)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int status = next(id, t);
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) t->tv_sec -= BACK;
    return status;
}
int gettimeofday(struct timeval *t, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *t) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t) *t = now.tv_sec;
    return now.tv_sec;
}
"""


@pytest.fixture
def other_machine(tmp_path: Path) -> dict[str, str]:
    """The environment of another machine, in another year."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler here, which the other clock needs")
    source, library = tmp_path / "shift.c", tmp_path / "shift.so"
    source.write_text(SHIFT)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    return {
        "LD_PRELOAD": str(library),
        "TZ": "Asia/Kathmandu",
        "LC_ALL": "C",
        "LANG": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONHASHSEED": "1",
    }


def run_elsewhere(root: Path, machine: dict[str, str], *arguments: str) -> str:
    completed = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=root,
        env=environment() | machine,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        umask=0o077,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout
    return completed.stdout


def test_the_clock_is_set_back(tmp_path: Path, other_machine: dict[str, str]) -> None:
    """What the other tests rely on."""
    (tmp_path / "year.py").write_text("import datetime\nprint(datetime.datetime.now().year)")
    assert int(run_elsewhere(tmp_path, other_machine, "year")) < 2010


def test_stages_give_the_same_bytes_on_another_machine(
    finished: Path, reference: Reference, other_machine: dict[str, str]
) -> None:
    for stage in ("ingest", "prepare", "evaluate"):
        run_elsewhere(finished, other_machine, f"tasks.{stage}")
    assert digest_files(finished) == reference.files


@pytest.mark.long
def test_a_whole_run_gives_the_same_bytes_on_another_machine(
    finished: Path, reference: Reference, other_machine: dict[str, str]
) -> None:
    run_elsewhere(finished, other_machine, "dvc", "repro", "--force", "--no-run-cache")
    assert digest_files(finished) == reference.files
