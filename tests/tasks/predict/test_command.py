"""`python -m tasks.predict`, as a person runs it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import PARAMETERS, PROJECT, environment
from tests.tasks.predict.conftest import MODEL


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the parameters and a candidate."""
    shutil.copy(PARAMETERS, tmp_path / "params.yaml")
    shutil.copytree(MODEL, tmp_path / "models" / "candidate")
    return tmp_path


def predict(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tasks.predict", "--model", "candidate", *arguments],
        cwd=folder,
        env=environment() | {"PYTHONPATH": str(PROJECT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_one_image_is_answered_with_ten_probabilities(folder: Path, pictures: Path) -> None:
    completed = predict(folder, str(pictures / "a.png"))
    assert completed.stderr == ""
    *rows, last = completed.stdout.splitlines()
    shares = [float(row.split("%")[0].split()[-1]) for row in rows]
    assert len(rows) == 10
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.1)
    assert last.endswith("models/candidate")


def test_what_is_no_image_is_refused_in_one_line(folder: Path) -> None:
    completed = predict(folder, "params.yaml")
    assert completed.returncode == 1
    assert "Expected a PNG, JPEG, MPO" in completed.stderr
    assert completed.stderr.count("\n") == 1


def test_several_images_need_a_table(folder: Path, pictures: Path) -> None:
    completed = predict(folder, str(pictures))
    assert completed.returncode == 1
    assert "--output predictions.parquet" in completed.stderr


def test_errors_and_drift_are_told_and_the_table_is_there(folder: Path, pictures: Path) -> None:
    (pictures / "b.png").write_text("no picture")
    white = np.full((100, 28, 28), 255, np.uint8)
    for number, image in enumerate(white):
        np.save(pictures / f"{number}.npy", image)
    completed = predict(folder, str(pictures), "--output", "table.csv")
    assert completed.returncode == 0
    assert "103 of 104 images → table.csv" in completed.stdout
    assert "error: b.png is no PNG" in completed.stderr
    assert "drift: mean brightness: " in completed.stderr
    assert len((folder / "table.csv").read_text("utf-8").splitlines()) == 105
    assert json.loads((folder / "table.drift.json").read_text("utf-8"))["images"] == 103


def test_nothing_slow_is_imported_for_a_table(folder: Path, pictures: Path) -> None:
    """That of 10,000 images is to be there in a second or two."""
    program = (
        "import sys; from tasks.predict.__main__ import main; main(); print('imported',"
        " *{name.partition('.')[0] for name in sys.modules} & {'tensorflow', 'keras', 'pandas',"
        " 'scipy', 'great_expectations', 'distributed', 'dask'})"
    )
    completed = subprocess.run(
        [
            *(sys.executable, "-c", program, str(pictures), "--no-drift", "--model", "candidate"),
            *("--output", "table.parquet"),
        ],
        cwd=folder,
        env=environment() | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert completed.stdout.splitlines()[-1] == "imported"
