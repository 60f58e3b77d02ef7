"""The gate, after the last stage: judges the candidate, and makes it the champion if it may be.

    python -m flows.gate

Stands outside DVC's graph, because the champion is state: the verdict depends on what was promoted
before. Writes reports/verdict.json and reports/verdict.md.
"""

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from flows.repository import read_stages
from tasks import paths
from tasks.champion import (
    CHAMPIONS,
    MANIFEST_NAME,
    MODEL_NAME,
    Event,
    champion_folder,
    promote,
    read_manifest,
    read_record,
    remove_old_versions,
    version_of,
)
from tasks.classifier import Classifier
from tasks.dataset import load_manifest, load_split
from tasks.errors import InputError
from tasks.files import write_json, write_text
from tasks.gate import Judged, Reason, Verdict, describe, judge, to_markdown
from tasks.lock import hold_run
from tasks.parameters import GateParameters, load_parameters

VERDICT = Path("reports/verdict.json")
VERDICT_TEXT = Path("reports/verdict.md")


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
    """Judges models/candidate by what `evaluate` measured, and against the champion."""
    version = version_of(paths.EXPORTED_MODEL)
    record = read_record()
    folder = champion_folder()
    return judge(
        version,
        json.loads(paths.METRICS.read_text(encoding="utf-8")),
        _read_judged(paths.CANDIDATE, paths.PREDICTIONS, test_set=read_test_set()),
        champion=(folder.name, judge_champion(folder)) if folder else None,
        withdrawn=record.withdrawn.get(version),
        limits=limits,
    )


def judge_champion(folder: Path) -> Judged:
    """The champion's predictions: those of its promotion, or new ones if the test set has changed.

    If its classes or the size of its images aren't the present ones, the old ones remain, and the
    gate says that they can't be compared.
    """
    before = _read_judged(
        folder, folder / paths.PREDICTIONS.name, test_set=read_manifest(folder)["test_set"]
    )
    test_set = read_test_set()
    if before.test_set == test_set:
        return before
    split = load_split("test")
    classifier = Classifier((folder / MODEL_NAME).read_bytes())
    if classifier.image_shape != split.images.shape[1:]:
        return before
    predicted = classifier.predict(split.images).argmax(axis=1)
    return Judged(before.classes, split.labels, predicted, test_set, judged_anew=True)


def read_test_set() -> dict[str, str]:
    """The SHA-256 of the present test images and labels."""
    arrays = load_manifest()["arrays"]
    return {
        name: arrays[name]["sha256"]  # pyright: ignore[reportArgumentType]
        for name in ("test_images.npy", "test_labels.npy")
    }


def _read_judged(model: Path, predictions: Path, *, test_set: dict[str, str]) -> Judged:
    card = json.loads((model / paths.MODEL_CARD.name).read_text(encoding="utf-8"))
    table = pd.read_parquet(predictions, columns=["label", "predicted"])
    return Judged(
        classes=tuple(card["classes"]),
        labels=table["label"].to_numpy(np.int64),
        predicted=table["predicted"].to_numpy(np.int64),
        test_set=test_set,
    )


def _promote(verdict: Verdict, because: str | None, *, keep: int) -> None:
    overridden = verdict.decision == "rejected"
    files = {path.name: path for path in sorted(paths.CANDIDATE.iterdir()) if path.is_file()}
    files |= {path.name: path for path in (paths.METRICS, paths.PREDICTIONS)}
    assert MANIFEST_NAME not in files
    event = Event(
        what="overridden" if overridden else "promoted",
        version=verdict.version,
        replaced=verdict.champion,
        time=now(),
        reason=f"{because} (the gate: {describe(verdict)})" if overridden else describe(verdict),
    )
    record = promote(files, event, read_test_set())
    remove_old_versions(record, keep=keep)


def now() -> str:
    """The time, as the record of champions states it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def require_up_to_date(root: Path) -> None:
    """Refuses to judge what does not belong together.

    Raises:
        InputError: the model, the metrics or the data have changed since the pipeline ran.

    """
    outdated = [stage.name for stage in read_stages(root) if stage.reasons]
    if outdated:
        raise InputError(
            f"The pipeline isn't up to date ({', '.join(outdated)}), so what it left can't be"
            " judged. See: python -m flows.plan. Mend it: dvc repro"
        )


def main() -> None:
    """Checks that the pipeline is up to date, judges, promotes, prints the verdict."""
    try:
        limits = load_parameters().gate
        with hold_run("the gate"):
            require_up_to_date(Path.cwd())
            verdict = run_gate(limits)
    except InputError as error:
        sys.exit(str(error))
    print(to_markdown(verdict))
    if verdict.decision == "accepted":
        print(f"{verdict.version} is the champion now: {CHAMPIONS / verdict.version}")
    sys.exit(verdict.decision == "rejected")


if __name__ == "__main__":
    main()
