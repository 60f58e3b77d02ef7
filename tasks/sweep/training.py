"""One training of a sweep: a folder and a process of its own, with no test images in reach.

The folder holds code, parameters and the training images. A training that was ended, by a kill or
because it had gone far enough, goes on after its last whole epoch.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd

from tasks.core import paths
from tasks.core.files import replacing, write_text
from tasks.core.parameters import PARAMETERS_PATH
from tasks.runner.errors import InputError
from tasks.runner.parts import SCHEDULER_VARIABLE
from tasks.train.checkpoint import CHECKPOINT, read_history

LOG = "training.log"
_START = "$ python -m "
_EPOCH = re.compile(r"epoch (\d+) of at most (\d+):")
_KILLS = 3  # after which a training isn't tried again


# Its folder, absolute, the same on every machine that trains; after how many epochs it pauses: None
# goes to the end.
Training = tuple[Path, int | None]


def make_base(root: Path, base: Path, network_file: str) -> None:
    """Makes what every training begins as, once: a sweep goes on with the code it began with."""
    if base.is_dir():
        return
    without_caches = shutil.ignore_patterns("__pycache__")
    with replacing(base) as folder:
        shutil.copytree(root / "tasks", folder / "tasks", ignore=without_caches)
        if not (folder / network_file).exists():
            (folder / network_file).parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (root / network_file).is_dir() else shutil.copy
            copy(root / network_file, folder / network_file)
        without_test = shutil.ignore_patterns("test_*")
        raw = folder / paths.RAW
        shutil.copytree(root / paths.RAW, raw, ignore=without_test, copy_function=link)
        (folder / paths.VALIDATION).parent.mkdir()
        shutil.copy(root / paths.VALIDATION, folder / paths.VALIDATION)


def link(source: str, target: str) -> None:
    """Gives a file a second name, which takes no space; or copies it to another disk."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def make_training(base: Path, folder: Path, parameters: str) -> None:
    """Makes a training's folder, where it isn't there, with the text of its parameters file."""
    if not folder.is_dir():
        with replacing(folder) as temporary:
            shutil.copytree(base, temporary, copy_function=link)
            write_text(temporary / PARAMETERS_PATH, parameters)


def read_epochs(folder: Path) -> pd.DataFrame:
    """A row per whole epoch, as in reports/history.csv; none before the first."""
    if is_finished(folder):
        return pd.read_csv(folder / paths.HISTORY, float_precision="round_trip")
    return pd.DataFrame(read_history(folder / CHECKPOINT))


def is_finished(folder: Path) -> bool:
    """Whether the model is there; its metrics are written last."""
    return (folder / paths.TRAINING_METRICS).exists()


def count_processes(folder: Path) -> int:
    """How many processes have trained here."""
    path = folder / LOG
    return path.read_text("utf-8").count(f"{_START}tasks.train\n") if path.exists() else 0


def train(training: Training) -> str | None:
    """Trains as far as it is to go, from where it was; gives the reason if it can't."""
    killed = 0
    folder, epochs = training
    if not folder.is_dir():
        raise InputError(
            f"{folder} isn't there. Put the project into a folder that all machines share"
        )
    with (folder / "lock").open("w") as lock:
        # Whoever has lost the one who asked for this may still be at it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        while not (is_finished(folder) or (epochs and len(read_epochs(folder)) >= epochs)):
            if killed == _KILLS:
                return "its process is killed again and again; memory may be short"
            status, line = _run(folder, epochs, lock.fileno())
            if status > 0:
                return line
            killed += status < 0
    return None


def _run(folder: Path, pause: int | None, lock: int) -> tuple[int, str]:
    """Runs the next stage, which holds the lock, too; gives its exit status and its last line."""
    module = "tasks.train" if (folder / paths.PREPARED).exists() else "tasks.prepare"
    line = ""
    with (
        (folder / LOG).open("a", encoding="utf-8") as log,
        subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=folder,
            env=os.environ | {SCHEDULER_VARIABLE: ""},  # a part asks the cluster for no more
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            pass_fds=[lock],
        ) as process,
    ):
        print(f"{_START}{module}", file=log, flush=True)
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", file=log, flush=True)
            if found := _EPOCH.match(line):
                epoch, epochs = map(int, found.groups())
                if (pause or epochs) <= epoch < epochs:
                    process.kill()
    return process.returncode, line.strip()
