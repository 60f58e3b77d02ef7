"""The gate, after the last stage: judges the candidate, and makes it the champion if it may be.

    python -m tasks.models.decide

Stands outside DVC's graph, because the champion is state: the verdict depends on what was promoted
before. Writes reports/verdict.json and reports/verdict.md.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from tasks.core import paths
from tasks.core.dataset import load_manifest, load_split
from tasks.core.files import write_json, write_text
from tasks.core.parameters import load_section
from tasks.models.gate import Judged, Reason, Verdict, describe, judge, to_markdown, unchanged
from tasks.models.parameters import GateParameters
from tasks.models.store import (
    CHAMPIONS,
    MODEL_NAME,
    Event,
    champion_folder,
    promote,
    read_record,
    remove_old_versions,
    version_of,
)
from tasks.runner.errors import InputError
from tasks.runner.lock import hold_run

VERDICT = Path("reports/verdict.json")
VERDICT_TEXT = Path("reports/verdict.md")
_TEST_ARRAYS = ("test_images", "test_labels")


def run_gate(limits: GateParameters, *, because: str | None = None) -> Verdict:
    """Judges the candidate, writes the verdict, and promotes an accepted candidate.

    Args:
        limits: what is asked of it.
        because: why a person wants it promoted even if it is rejected; goes into the record.

    """
    verdict = judge_candidate(limits)
    if verdict.decision == "accepted" or (verdict.decision == "rejected" and because):
        _promote(verdict, because, keep=limits.keep)
    if verdict.decision == "rejected" and because:
        overridden = Reason(True, f"promoted nevertheless by a person, because: {because}")
        verdict = Verdict(
            "rejected", verdict.version, verdict.champion, (*verdict.reasons, overridden)
        )
    write_json(VERDICT, asdict(verdict))
    write_text(VERDICT_TEXT, to_markdown(verdict))
    return verdict


def judge_candidate(limits: GateParameters) -> Verdict:
    """Judges models/candidate by what `evaluate` measured, and against the champion.

    Raises:
        InputError: what was measured isn't about this model and the present test images.

    """
    version = version_of(paths.EXPORTED_MODEL)
    metrics = read_metrics(paths.METRICS)
    measured = metrics["sha256"]
    if measured["model"][: len(version)] != version or _test_set_of(metrics) != read_test_set():
        raise InputError(
            f"{paths.METRICS} is about another model or other test images than those that are here."
            " See: pipeline plan. Mend it: dvc repro"
        )
    folder = champion_folder()
    if folder is not None and folder.name == version:
        return unchanged(version)
    return judge(
        version,
        metrics,
        _read_judged(paths.CANDIDATE, paths.METRICS, paths.PREDICTIONS),
        champion=(folder.name, judge_champion(folder)) if folder else None,
        withdrawn=read_record().withdrawn.get(version),
        limits=limits,
    )


def judge_champion(folder: Path) -> Judged:
    """The champion's predictions: those of its promotion, or new ones if the test set has changed.

    If it takes images of another size, the old ones remain, and the gate says that they can't be
    compared.
    """
    before = _read_judged(folder, folder / paths.METRICS.name, folder / paths.PREDICTIONS.name)
    test_set = read_test_set()
    if before.test_set == test_set:
        return before
    from tasks.models.classifier import Classifier

    split = load_split("test")
    classifier = Classifier((folder / MODEL_NAME).read_bytes())
    if classifier.image_shape != split.images.shape[1:]:
        return before
    predicted = classifier.predict(split.images).argmax(axis=1)
    return Judged(before.classes, split.labels, predicted, test_set, judged_anew=True)


def read_metrics(path: Path) -> dict[str, Any]:
    """Reads a file of metrics.

    Raises:
        InputError: there is none, or it isn't whole.

    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} can't be read ({error}). Mend it: dvc repro") from None


def read_test_set() -> dict[str, str]:
    """The SHA-256 of the present test images and labels."""
    arrays = load_manifest()["arrays"]
    return {
        name: str(arrays[f"{name}.npy"]["sha256"])  # pyright: ignore[reportArgumentType]
        for name in _TEST_ARRAYS
    }


def _test_set_of(metrics: Mapping[str, Any]) -> dict[str, str]:
    return {name: metrics["sha256"][name] for name in _TEST_ARRAYS}


def _read_judged(model: Path, metrics: Path, predictions: Path) -> Judged:
    import pandas as pd

    card = json.loads((model / paths.MODEL_CARD.name).read_text(encoding="utf-8"))
    table = pd.read_parquet(predictions, columns=["label", "predicted"])
    return Judged(
        classes=tuple(card["classes"]),
        labels=table["label"].to_numpy(np.int64),
        predicted=table["predicted"].to_numpy(np.int64),
        test_set=_test_set_of(read_metrics(metrics)),
    )


def _promote(verdict: Verdict, because: str | None, *, keep: int) -> None:
    overridden = verdict.decision == "rejected"
    event = Event(
        what="overridden" if overridden else "promoted",
        version=verdict.version,
        replaced=verdict.champion,
        time=now(),
        reason=f"{because} (the gate: {describe(verdict)})" if overridden else describe(verdict),
    )
    files = [*sorted(paths.CANDIDATE.iterdir()), paths.METRICS, paths.PREDICTIONS]
    remove_old_versions(promote(files, event), keep=keep)


def now() -> str:
    """The time, as the record of champions states it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def main() -> None:
    """Judges, promotes, prints the verdict."""
    try:
        limits = load_section("gate", GateParameters)
        with hold_run("the gate"):
            verdict = run_gate(limits)
    except InputError as error:
        sys.exit(str(error))
    print(to_markdown(verdict))
    if verdict.decision == "accepted":
        print(f"{verdict.version} is the champion now: {CHAMPIONS / verdict.version}")
    sys.exit(verdict.decision == "rejected")


if __name__ == "__main__":
    main()
