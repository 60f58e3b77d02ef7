"""Processes of the pipeline are killed at random moments, again and again in one workspace."""

import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.runner.errors import InputError
from tasks.runner.lock import LOCK_FOLDER, WorkspaceBusyError, hold_run
from tests.conftest import read_small_parameters, write_parameters
from tests.faults.deployment import WORKER, ask_for_run, end_dead_runs
from tests.faults.rig import (
    BUSY,
    Reference,
    copy_workspace,
    digest_files,
    kill,
    make_validate_run,
    processes_in,
    require_sound_cache,
    run,
    snapshot,
    start,
)
from workspace.heal import remove_broken_leftovers
from workspace.repository import read_lock

pytestmark = pytest.mark.faults(
    "`kill -9`, TERM, INT of stage, dvc, flow, worker, at random moments",
    "no survivor writes once the lock is free; the next run completes or names the holder;"
    " `dvc.lock` and the cache never describe torn data; in the end, an undisturbed run's bytes",
)

KILLS = int(os.environ.get("PIPELINE_KILLS", "3"))
SEED = int(os.environ.get("PIPELINE_KILL_SEED", "0"))
# So often, and at the end, a run is left alone and compared with the reference.
COMPARE_EVERY = 20

# One parameter of each stage and its values: runs differ in their bytes, so that a mixture of two
# can't pass for one.
CHANGES = {
    "ingest": ("ingest", "timeout", (30, 31)),
    "validate": ("validate", "min_spread", (1.0, 1.5)),
    "prepare": ("prepare", "seed", (0, 1)),
    "train": ("train", "seed", (0, 1)),
    "evaluate": ("evaluate", "calibration_bins", (15, 10)),
    "report": ("report", "mistakes", (24, 12)),
}
DOORS = {
    "dvc": ("dvc", "repro"),
    "flow": (
        "cli",
        "run",
    ),
    "worker": WORKER,
}
# How much longer than DVC each door takes until the first stage runs.
STARTUPS = {"dvc": 1, "flow": 2, "worker": 5}
KINDS = {
    "stage": re.compile(r"-m tasks\."),
    "dvc": re.compile(r"-m (dvc|workspace\.dvc_process) "),
    "flow": re.compile(r"-m (cli run|prefect\.engine|prefect\.flow_engine)\b"),
    "worker": re.compile(r"-m flows\.prefect_process worker "),
}
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


def test_a_storm_of_kills_tears_nothing(
    reference: Reference,
    prefect_api: str,
    deploy_workspace: Callable[[Path], None],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    root = copy_workspace(reference.root, tmp_path / "workspace")
    parameters = read_small_parameters()
    strikes: Counter[str] = Counter()
    healed: Counter[str] = Counter()
    deployed = False
    number = 0
    while strikes.total() < KILLS:
        generator = random.Random(f"{SEED}-{number}")
        number += 1
        stage = generator.choice(list(CHANGES))
        section, key, values = CHANGES[stage]
        parameters[section][key] = values[parameters[section][key] == values[0]]
        write_parameters(root, parameters)
        # Otherwise many a run would be restored from DVC's cache of runs.
        shutil.rmtree(root / ".dvc" / "cache" / "runs", ignore_errors=True)
        door = generator.choice(list(DOORS))
        startup = reference.startup * STARTUPS[door]
        moment = generator.uniform(0, startup + reference.durations[stage] + 1)
        print(f"{number}: {door}, because of {stage}: after {moment:.1f} s", flush=True)
        if door == "worker":
            if not deployed:
                deploy_workspace(root)
                deployed = True
            ask_for_run(prefect_api)
        struck = strike(
            root,
            door,
            moment,
            generator=generator,
            strikes=strikes,
            prefect_api=prefect_api,
        )
        if struck:
            strikes[struck] += 1
        end_dead_runs(prefect_api)
        healed.update(heal(root))
        require_sound_cache(root)
        if strikes.total() % COMPARE_EVERY == 0 or strikes.total() == KILLS:
            parameters = read_small_parameters()
            write_parameters(root, parameters)
            finish(root)
            assert digest_files(root) == reference.files
    result = f"{KILLS} strikes in a row: {tell(strikes)}"
    if healed:
        result += f"; left broken by DVC, and healed by `pipeline heal`: {tell(healed)}"
    record_property("result", result)


@pytest.mark.long
@pytest.mark.parametrize("number", SIGNALS)
def test_a_worker_that_is_struck_in_the_middle_of_a_stage_tears_nothing(
    finished: Path,
    reference: Reference,
    prefect_api: str,
    deploy_workspace: Callable[[Path], None],
    number: signal.Signals,
) -> None:
    deploy_workspace(finished)
    make_validate_run(finished)
    ask_for_run(prefect_api)
    with start(*WORKER, root=finished, PREFECT_API_URL=prefect_api) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "python -m tasks.validate" in line:
                break
        kill(process.pid, number)
        wait_for_end(process)
        print("survivors:", processes_in(finished), flush=True)
        again = run("dvc", "repro", root=finished, check=False)
        assert again.returncode == 0 or BUSY.search(again.stdout), again.stdout
        require_still(finished)
    end_dead_runs(prefect_api)
    heal(finished)
    require_sound_cache(finished)
    finish(finished)
    assert digest_files(finished) == reference.files


def finish(root: Path) -> None:
    """Runs what is left; to DVC, a killed process that nobody has reaped is still the holder."""
    deadline = time.monotonic() + 60
    while (rest := run("dvc", "repro", root=root, check=False)).returncode != 0:
        assert BUSY.search(rest.stdout), rest.stdout
        assert time.monotonic() < deadline, rest.stdout
        time.sleep(0.5)


def tell(strikes: Counter[str]) -> str:
    return ", ".join(f"{count} × {what}" for what, count in sorted(strikes.items()))


def heal(root: Path) -> list[str]:
    """Does what `make repro` and the flow do before DVC runs; says what had to be healed.

    DVC alone would refuse to run, with the name of the broken file.
    """
    with hold_run("the test", root / LOCK_FOLDER):
        healed = [Path(path).name for path in remove_broken_leftovers(root)]
    try:
        read_lock(root)
    except InputError:
        (root / "dvc.lock").unlink()
        healed.append("dvc.lock")
    return healed


def strike(
    root: Path,
    door: str,
    moment: float,
    *,
    generator: random.Random,
    strikes: Counter[str],
    prefect_api: str,
) -> str | None:
    """Starts a run and sends a signal to one of its processes; says what was struck, if any.

    Of the kinds of processes that are there, and the signals, it is what was struck least so far:
    stages live shorter than the rest.
    """
    with start(*DOORS[door], root=root, PREFECT_API_URL=prefect_api) as process:
        try:
            output, _ = process.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            present = targets(root, door, process.pid)
            options = [(number, kind) for number in SIGNALS for kind in sorted(present)]
            generator.shuffle(options)
            number, kind = min(options, key=lambda option: strikes[tell_strike(*option)])
            struck = tell_strike(number, kind)
            kill(present[kind], number)
            output = wait_for_end(process)
        else:
            struck = None
            assert has_succeeded(door, process.returncode, output) or BUSY.search(output), output
        print(struck, output[-1000:], sep="\n", flush=True)
        if survivors := processes_in(root):
            print("survivors:", survivors, flush=True)
            again = run("dvc", "repro", root=root, check=False)
            broken = "Unable to read RWLock-file" in again.stdout
            assert again.returncode == 0 or BUSY.search(again.stdout) or broken, again.stdout
        require_still(root)
        return struck


def has_succeeded(door: str, status: int, output: str) -> bool:
    """Whether a run did all it had to; the worker ends well whatever became of the flow."""
    return status == 0 and (door != "worker" or "Finished in state Completed()" in output)


def tell_strike(number: signal.Signals, kind: str) -> str:
    return f"{number.name} to {kind}"


def targets(root: Path, door: str, started: int) -> dict[str, int]:
    """Kind → process, of the run's processes."""
    found = {
        kind: pid
        for pid, command in processes_in(root).items()
        for kind, pattern in KINDS.items()
        if pattern.search(command)
    }
    return found or {door: started}


def wait_for_end(process: subprocess.Popen[str]) -> str:
    """Waits; a run that takes no notice, as DVC of an INT, is interrupted as by Ctrl-C."""
    for _ in range(60):
        try:
            return process.communicate(timeout=3)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGINT)
    raise AssertionError("The run doesn't end.")


def require_still(root: Path) -> None:
    """Once the locks are free, nothing is written any more."""
    deadline = time.monotonic() + 600
    while True:
        try:
            with hold_run("the test", root / LOCK_FOLDER):
                before = snapshot(root)
                survivors = processes_in(root)
                time.sleep(0.5 if survivors else 0)
                assert snapshot(root) == before, survivors
                return
        except WorkspaceBusyError:
            assert time.monotonic() < deadline
