"""The gate, after the last stage: judges the candidate, and makes it the champion if it may be.

    pipeline gate

Stands outside DVC's graph, because the champion is state: the verdict depends on what was promoted
before. Writes reports/verdict.json and reports/verdict.md.
"""

from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tasks.core import paths
from tasks.core.dataset import load_manifest, load_split
from tasks.core.files import write_json, write_text
from tasks.core.parameters import load_section
from tasks.evaluate.metrics import Metrics, read_metrics
from tasks.models.card import MODEL_NAME, read_card, read_seen, version_of
from tasks.models.gate import (
    Answers,
    Obstacle,
    Pair,
    Reason,
    Verdict,
    describe,
    judge,
    pair_up,
    to_markdown,
    unchanged,
)
from tasks.models.parameters import GateParameters
from tasks.models.store import (
    CHAMPIONS,
    Event,
    begin_record,
    champion_folder,
    find_damage,
    promote,
    read_record,
    remove_old_versions,
)
from tasks.runner.errors import InputError
from tasks.runner.lock import hold_run

VERDICT = Path("reports/verdict.json")
VERDICT_TEXT = Path("reports/verdict.md")


def run_gate(limits: GateParameters, *, because: str | None = None) -> Verdict:
    """Judges the candidate, writes the verdict, and promotes an accepted candidate.

    Args:
        limits: what is asked of it.
        because: why a person wants it promoted even if it is rejected; goes into the record.

    """
    verdict = judge_candidate(limits, by_person=because is not None)
    if verdict.decision == "accepted" or (verdict.decision == "rejected" and because):
        _promote(verdict, because, keep=limits.keep)
    if verdict.decision == "rejected" and because:
        overridden = Reason(True, f"promoted nevertheless by a person, because: {because}")
        verdict = replace(verdict, reasons=(*verdict.reasons, overridden))
    write_json(VERDICT, asdict(verdict))
    write_text(VERDICT_TEXT, to_markdown(verdict))
    return verdict


def judge_candidate(limits: GateParameters, *, by_person: bool = False) -> Verdict:
    """Judges models/candidate by what `evaluate` measured, and against the champion.

    Args:
        limits: what is asked of it.
        by_person: whether a person wants it whatever the verdict is, so that a lost record or a
            damaged champion is no obstacle.

    Raises:
        InputError: there is no candidate; what was measured isn't about this model and the present
            test images; or the champion can't be used.

    """
    version = version_of(paths.CANDIDATE)
    metrics = read_metrics(paths.EVALUATION)
    measured = metrics.sha256
    if measured.version != version or measured.test_set != read_test_set():
        raise InputError(
            f"{paths.EVALUATION} is about another model or other test images than those that are"
            " here. See: pipeline plan. Mend it: dvc repro"
        )
    record = begin_record() if by_person else read_record()
    rival = None
    if record.current and by_person and (damage := find_damage(CHAMPIONS / record.current)):
        rival = Obstacle(record.current, f"the champion can't be compared with: {damage}")
    elif champion := champion_folder():
        if champion.name == version:
            return unchanged(version)
        rival = compare_with(champion, metrics)
    return judge(version, metrics, rival, withdrawn=record.withdrawn.get(version), limits=limits)


def compare_with(champion: Path, metrics: Metrics) -> Pair | Obstacle:
    """The candidate and the champion on the present test images.

    The champion's answers are those of its promotion, or new ones if the test images have changed.
    """
    split = load_split("test")
    judged_anew = read_metrics(champion / paths.EVALUATION.name).sha256.test_set != (
        metrics.sha256.test_set
    )
    if judged_anew:
        from tasks.models.classifier import Classifier

        classifier = Classifier((champion / MODEL_NAME).read_bytes())
        shape = split.images.shape[1:]
        if classifier.image_shape != shape:
            return Obstacle(
                champion.name,
                f"the champion takes images of {classifier.image_shape}, the test images are"
                f" {shape}: the two can't be compared",
            )
        predicted = classifier.predict(split.images).argmax(axis=1)
    else:
        predicted = _read_predicted(champion / paths.PREDICTIONS.name)
    seen = [
        hashes
        for folder in (paths.CANDIDATE, champion)
        if (hashes := read_seen(folder)) is not None
    ]
    if len(seen) < 2:
        return Obstacle(
            champion.name,
            "it isn't known on which images the two were trained: they can't be compared",
        )
    from tasks.images.statistics import hash_images  # imports pandas

    classes, old_classes = (
        tuple(read_card(folder)["classes"]) for folder in (paths.CANDIDATE, champion)
    )
    return pair_up(
        np.asarray(split.labels, np.int64),
        Answers(metrics.sha256.version, classes, _read_predicted(paths.PREDICTIONS)),
        Answers(champion.name, old_classes, predicted),
        seen=np.isin(hash_images(split.images), np.concatenate(seen)),
        judged_anew=judged_anew,
    )


def read_test_set() -> tuple[str, str]:
    """The SHA-256 of the present test images and labels."""
    arrays = load_manifest()["arrays"]
    return arrays["test_images.npy"]["sha256"], arrays["test_labels.npy"]["sha256"]


def _read_predicted(path: Path) -> np.ndarray:
    import pandas as pd

    try:
        return pd.read_parquet(path, columns=["predicted"])["predicted"].to_numpy(np.int64)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} can't be read ({error}). Make it anew: dvc repro") from None


def _promote(verdict: Verdict, because: str | None, *, keep: int) -> None:
    event = Event(
        what="promoted" if verdict.decision == "accepted" else "overridden",
        version=verdict.version,
        replaced=verdict.champion,
        time=now(),
        reason=f"{because} (the gate: {describe(verdict)})" if because else describe(verdict),
    )
    files = [*sorted(paths.CANDIDATE.iterdir()), paths.EVALUATION, paths.PREDICTIONS]
    remove_old_versions(promote(files, event), keep=keep)


def now() -> str:
    """The time, as the record of champions states it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def main() -> int:
    """Judges, promotes, prints the verdict."""
    limits = load_section("gate", GateParameters)
    with hold_run("pipeline gate"):
        verdict = run_gate(limits)
    print(to_markdown(verdict))
    if verdict.decision == "accepted":
        print(f"{verdict.version} is the champion now: {CHAMPIONS / verdict.version}")
    return int(verdict.decision == "rejected")
