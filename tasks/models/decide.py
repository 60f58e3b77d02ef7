"""The gate, after the last stage: judges the candidate, and makes it the champion if it may be.

    pipeline gate

Stands outside DVC's graph, because the champion is state: the verdict depends on what was promoted
before. Writes reports/verdict.json and reports/verdict.md. A person's promotion is here, too.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.core import paths
from tasks.core.dataset import load_manifest, load_split
from tasks.core.files import replacing, sha256_of, write_json, write_text
from tasks.core.parameters import load_section
from tasks.core.seal import check_seal, read_seal
from tasks.evaluate.metrics import Metrics, measure, read_earlier, read_metrics
from tasks.images.policy import PicturePolicy, read_policy
from tasks.models.card import CARD_NAME, MODEL_NAME, read_card, read_seen, version_of
from tasks.models.gate import (
    Answers,
    Pair,
    Reason,
    Verdict,
    describe,
    incomparable,
    judge,
    pair_up,
    to_markdown,
)
from tasks.models.parameters import GateParameters
from tasks.models.store import (
    CHAMPIONS,
    DecidedMeanwhileError,
    Event,
    Pending,
    Record,
    begin_record,
    champion_folder,
    find_damage,
    let_wait,
    let_wait_no_longer,
    promote,
    read_record,
    remove_old_versions,
)
from tasks.runner.errors import InputError
from tasks.runner.lock import LOCK_FOLDER, hold_run

if TYPE_CHECKING:
    import pandas as pd

VERDICT = Path("reports/verdict.json")
VERDICT_TEXT = Path("reports/verdict.md")
_ROUNDING = 1e-6


def run_gate(limits: GateParameters, *, because: str | None = None, by: str = "gate") -> Verdict:
    """Judges the candidate, writes the verdict, and promotes an accepted candidate or lets it wait.

    Args:
        because: why a person wants it promoted even if it is rejected; goes into the record.

    Raises:
        InputError: there is no candidate, or it is damaged; what was measured isn't about this
            model, its answers and the present test images; or the champion can't be used, and
            nobody promotes in its place.

    """
    try:
        verdict = _decide(limits, because, by)
    except DecidedMeanwhileError:
        if because is not None:
            raise
        verdict = _decide(limits, because, by)  # somebody was quicker: by what holds now
    write_json(VERDICT, asdict(verdict))
    write_text(VERDICT_TEXT, to_markdown(verdict))
    return verdict


def _decide(limits: GateParameters, because: str | None, by: str) -> Verdict:
    version, metrics, files = _read_candidate()
    record = begin_record() if because else read_record()
    champion = _find_champion(record, by_person=because is not None)
    if isinstance(champion, Path) and champion.name == version:
        same = Reason(True, f"the candidate {version} is the champion already")
        return Verdict("unchanged", version, version, (same,))
    from tasks.models.data import describe_data  # imports pandas

    answers, reports = _read_answers(metrics)
    images = describe_data()
    if isinstance(champion, Path):
        rival, changes = _compare(champion, metrics, answers, images)
    else:
        rival, changes = champion, ()
    verdict = judge(
        version,
        metrics,
        rival,
        champion=record.current,
        withdrawn=record.withdrawn.get(version),
        limits=limits,
    )
    verdict = replace(verdict, changes=changes)
    return _follow_up(verdict, files | reports, images, limits, because, by)


def promote_by_person(
    limits: GateParameters, *, because: str, by: str, version: str | None = None
) -> str:
    """Promotes what waits for a decision; if nothing does, the candidate whatever the gate says.

    Args:
        version: which of the two; None where there is no choice.

    Returns:
        What was decided, in Markdown.

    Raises:
        InputError: the version is neither, or damaged.

    """
    record = begin_record()
    pending = record.pending
    if pending and version in (None, pending.version):
        judged = "" if pending.champion == record.current else f", against {pending.champion}"
        reason = f"{because} ({pending.reason}{judged})"
        # The gate hasn't compared it with another champion than that one.
        what = "overridden" if judged else "promoted"
        event = Event(what, pending.version, record.current, now(), by, reason)
        promote(event, None)
        remove_old_versions(keep=limits.keep)
        return f"**Approved**: {pending.version}, by {by}: {because}"
    with hold_run("a promotion"):
        if version not in (None, found := version_of(paths.CANDIDATE)):
            waits = f"{pending.version} waits" if pending else "none waits"
            raise InputError(
                f"{version} doesn't wait for a decision ({waits}), nor is it the candidate, which"
                f" is {found}. See: pipeline champion show"
            )
        return to_markdown(run_gate(limits, because=because, by=by))


def _compare(
    champion: Path, metrics: Metrics, answers: Answers, images: "pd.DataFrame"
) -> tuple[Pair | Reason, tuple[str, ...]]:
    """Both on the present test images, and what changed in the images since the promotion.

    The champion's answers are those of its promotion, or new ones if the test images have changed.
    """
    from tasks.models.data import hashes_of, read_images, tell_changes

    changes: tuple[str, ...] = ()
    try:
        earlier = read_images(champion)
        changes = tuple(tell_changes(earlier, images))
        split, tested = load_split("test"), hashes_of(images, "test")
        judged = read_earlier(champion / paths.EVALUATION.name)
        if judged and judged.sha256.test_set == metrics.sha256.test_set:
            known = np.ones(len(tested), bool)
            predicted = _read_predicted(champion / paths.PREDICTIONS.name)
        else:
            known = np.isin(tested, hashes_of(earlier, "test"))
            predicted = _answer_anew(champion, split.images)
            if isinstance(predicted, Reason):
                return predicted, changes
        seen = np.isin(tested, np.concatenate([read_seen(paths.CANDIDATE), read_seen(champion)]))
        labels = np.asarray(split.labels, np.int64)
        earlier_answers = Answers(tuple(read_card(champion)["classes"]), predicted)
        return pair_up(labels, answers, earlier_answers, seen=seen, known=known), changes
    except InputError as error:
        return Reason(False, f"the champion can't be compared with: {error}"), changes


def _answer_anew(champion: Path, images: np.ndarray) -> np.ndarray | Reason:
    """The champion's answers to images, or why nothing follows from them."""
    from tasks.models.classifier import Classifier

    classifier = Classifier((champion / MODEL_NAME).read_bytes())
    shape = images.shape[1:]
    if classifier.image_shape != shape:
        return incomparable(
            f"the champion takes images of {classifier.image_shape}, the test images are {shape}"
        )
    then, today = (
        read_policy(read_card(folder), name=str(folder / CARD_NAME))
        for folder in (champion, paths.CANDIDATE)
    )
    if changed := tell_preparation(then, today):
        return incomparable(
            f"pictures are prepared otherwise than for the champion ({changed}), so that nobody"
            " knows which test images it was trained on"
        )
    return classifier.predict(images).argmax(axis=1)


def tell_preparation(then: PicturePolicy, today: PicturePolicy) -> str:
    """What may have changed the pixels of a picture that both policies take; "" if nothing did.

    A policy that refuses something has changed no pixel for it.
    """
    pairs = (
        (name, getattr(then, name), getattr(today, name)) for name in PicturePolicy.model_fields
    )
    return ", ".join(
        f"{name} {before} → {after}"
        for name, before, after in pairs
        if len({before, after} - {None, "refuse"}) > 1
    )


def _read_candidate() -> tuple[str, Metrics, dict[Path, str]]:
    """The candidate's version and figures, and the SHA-256 of each file in its folder."""
    version = version_of(paths.CANDIDATE)
    # Names in a damaged seal may lead out of the folder, which the remedy must not.
    remedy = f"Mend it: rm -r {paths.CANDIDATE}; dvc repro --force --single-item train"
    seal = read_seal(paths.CANDIDATE, remedy=remedy)
    used = {paths.EXPORTED_MODEL, paths.MODEL_CARD, paths.REFERENCE, paths.SEEN_IMAGES}
    every = sorted(used.union(paths.CANDIDATE / name for name in seal))
    files = {check_seal(path, remedy=remedy): seal[path.name] for path in every}
    metrics = read_metrics(paths.EVALUATION)
    arrays = load_manifest()["arrays"]
    present = tuple(arrays[f"test_{part}.npy"]["sha256"] for part in ("images", "labels"))
    if (metrics.sha256.version, metrics.sha256.test_set) != (version, present):
        raise InputError(
            f"{paths.EVALUATION} is about another model or other test images than those that are"
            " here. See: pipeline plan. Mend it: dvc repro"
        )
    return version, metrics, files


def _find_champion(record: Record, *, by_person: bool) -> Path | Reason | None:
    """The champion's folder; for a person, a damaged champion is no error."""
    if record.current and by_person and (damage := find_damage(CHAMPIONS / record.current)):
        return Reason(False, f"the champion can't be compared with: {damage}")
    return champion_folder() if record.current else None


def _read_answers(metrics: Metrics) -> tuple[Answers, dict[Path, str]]:
    """The candidate's answers, if its figures follow from them, and the SHA-256 of both files."""
    import pandas as pd

    from tasks.evaluate.tables import tabulate_predictions

    path, labels = paths.PREDICTIONS, load_split("test").labels
    classes = tuple(read_card(paths.CANDIDATE)["classes"])
    try:
        reports = {file: sha256_of(file) for file in (path, paths.EVALUATION)}
        table = pd.read_parquet(path)
        probabilities = table[[f"probability: {name}" for name in classes]].to_numpy()
        expected = tabulate_predictions(labels, probabilities, classes=classes)
        found = measure(
            labels,
            probabilities,
            classes=classes,
            confidence=metrics.interval_confidence,
            num_bins=metrics.calibration_bins,
            sha256=metrics.sha256,
        )
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(f"{path} can't be read ({error}). Make it anew: dvc repro") from None
    same = reports[path] == metrics.sha256.predictions and table.equals(expected)
    if not (same and _agree(found.model_dump(), metrics.model_dump())):
        raise InputError(
            f"{path} and {paths.EVALUATION} don't belong together, or to these test images: the"
            " figures don't follow from the answers. Make both anew:"
            " dvc repro --force --single-item evaluate"
        )
    return Answers(classes, table["predicted"].to_numpy(np.int64)), reports


def _agree(found: Any, written: Any) -> bool:
    """Whether figures are the same, but for what another processor or library rounds otherwise."""
    if isinstance(found, dict):
        return all(_agree(found[name], written[name]) for name in found)
    if isinstance(found, tuple):
        return len(found) == len(written) and all(map(_agree, found, written))
    return found == written or (
        isinstance(found, float) and math.isclose(found, written, abs_tol=_ROUNDING)
    )


def _read_predicted(path: Path) -> np.ndarray:
    import pandas as pd

    try:
        return pd.read_parquet(path, columns=["predicted"])["predicted"].to_numpy(np.int64)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} can't be read ({error})") from None


def _follow_up(
    verdict: Verdict,
    files: Mapping[Path, str],
    images: "pd.DataFrame",
    limits: GateParameters,
    because: str | None,
    by: str,
) -> Verdict:
    """Does what a verdict asks for; a person's reason stands above it."""
    if verdict.decision == "rejected" and because is None:
        let_wait_no_longer(verdict.version)
        return verdict
    kept = LOCK_FOLDER / "images.parquet"
    with replacing(kept) as temporary:
        images.to_parquet(temporary, index=False)
    files = {**files, kept: sha256_of(kept)}
    told = describe(verdict)
    if because is None and limits.promotes == "after_approval":
        let_wait(Pending(verdict.version, now(), told, verdict.champion), files)
        return replace(verdict, decision="pending")
    what = "promoted" if verdict.decision == "accepted" else "overridden"
    reason = f"{because} (the gate: {told})" if because else told
    event = Event(what, verdict.version, verdict.champion, now(), by, reason)
    promote(event, files)
    remove_old_versions(keep=limits.keep)
    if what == "overridden":
        overridden = Reason(True, f"promoted nevertheless by a person, because: {because}")
        verdict = replace(verdict, reasons=(*verdict.reasons, overridden))
    return verdict


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
