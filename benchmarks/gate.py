"""What the gate decides about candidates that are better, equal, worse in one class, or just worse.

    python -m benchmarks.gate

simulates pairs of models and writes the table into docs/models.md. It needs neither data nor a
model, and no figure depends on the machine.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scipy.special import ndtr
from tqdm import tqdm

from benchmarks.pages import fill
from tasks.evaluate.metrics import Metrics
from tasks.models.compare import compare
from tasks.models.gate import Pair, judge
from tasks.models.parameters import GateParameters

SIZES = [(classes, images) for classes in (2, 10, 30, 100) for images in (10, 20, 100, 1000)]
CHAMPION = 0.80  # its accuracy in every class
GAIN = 0.06
CORRELATION = 0.9  # two models of one kind make most of their mistakes on the same images
LIMITS = GateParameters(
    min_accuracy=None,
    min_recall=None,
    max_calibration_error=None,
    accepts="better",
    margin=0.02,
    significance=0.05,
    max_f1_loss=0.02,
    promotes="automatically",
    keep=2,
)
NOT_WORSE = LIMITS.model_copy(update={"accepts": "not_worse"})


def draw_pair(images: np.ndarray, candidate: np.ndarray, generator: np.random.Generator) -> Pair:
    """A champion and a candidate on the same images.

    Args:
        images: (classes,) how many there are of each class.
        candidate: (classes,) its accuracy in each class.
        generator: of the images' difficulty.

    Where both are wrong, both name the same other class.

    """
    labels = np.repeat(np.arange(len(images)), images)
    difficulty, own = generator.standard_normal((2, len(labels)))
    other = CORRELATION * difficulty + np.sqrt(1 - CORRELATION**2) * own
    wrong = (labels + generator.integers(1, len(images), len(labels))) % len(images)
    return Pair(
        classes=tuple(f"class {number}" for number in range(len(images))),
        labels=labels,
        before=np.where(ndtr(difficulty) < CHAMPION, labels, wrong),
        after=np.where(ndtr(other) < candidate[labels], labels, wrong),
        known=np.ones(len(labels), bool),
    )


def simulate(num_classes: int, num_images: int, *, draws: int, seed: int) -> dict[str, float]:
    """What the gate decides about candidates of each kind, as shares of the draws.

    Args:
        num_classes: how many classes there are.
        num_images: of each class in the test set; of the class that loses, at least 100.
        draws: candidates of each kind.
        seed: of the generator.

    Returns:
        equal: of equal models, those called different; gained: of better ones, those whose gain is
        significant; accepted: of these, those accepted; lost: of those that lost 20 points in one
        class and gained in all others, those rejected, with `accepts: not_worse`; worse: of those
        worse by the margin everywhere, those accepted as not worse.

    """
    generator = np.random.default_rng(seed)
    images = np.full(num_classes, num_images)
    same = np.full(num_classes, CHAMPION)
    with_lost, lost = images.copy(), same + GAIN
    with_lost[0], lost[0] = max(100, num_images), CHAMPION - 0.2

    def draw(sizes: np.ndarray, accuracy: np.ndarray) -> list[Pair]:
        return [draw_pair(sizes, accuracy, generator) for _ in range(draws)]

    gained = [pair for pair in draw(images, same + GAIN) if compare_all(pair) == "better"]
    return {
        "equal": _share(compare_all(pair) in ("better", "worse") for pair in draw(images, same)),
        "gained": len(gained) / draws,
        "accepted": _share(is_accepted(pair, LIMITS) for pair in gained),
        "lost": _share(not is_accepted(pair, NOT_WORSE) for pair in draw(with_lost, lost)),
        "worse": _share(
            is_accepted(pair, NOT_WORSE) for pair in draw(images, same - LIMITS.margin)
        ),
    }


def compare_all(pair: Pair) -> str:
    """What McNemar's test says of all images."""
    return compare(
        pair.labels, pair.before, pair.after, classes=(), confidence=1 - LIMITS.significance
    ).overall.verdict


def is_accepted(pair: Pair, limits: GateParameters) -> bool:
    """Whether the gate takes the candidate; no threshold is set, so that no metric is asked for."""
    nothing = Metrics.model_construct()
    verdict = judge("new", nothing, pair, champion="old", withdrawn=None, limits=limits)
    return verdict.decision == "accepted"


def _share(outcomes: Iterable[bool]) -> float:
    found = list(outcomes)
    return sum(found) / len(found) if found else float("nan")


def main() -> None:
    """Writes a Markdown table."""
    columns = [
        "classes",
        "images of each",
        "draws",
        "equal: called different",
        "better: gain is significant",
        "of these, accepted",
        "lost a class: rejected",
        "worse by the margin: accepted",
    ]
    rows = [f"| {' | '.join(columns)} |", f"|{'---:|' * len(columns)}"]
    for seed, (num_classes, num_images) in enumerate(tqdm(SIZES, unit="size", disable=None)):
        draws = min(400, max(60, 1_000_000 // (num_classes * num_images)))
        shares = simulate(num_classes, num_images, draws=draws, seed=seed)
        cells = ["–" if np.isnan(share) else f"{share:.1%}" for share in shares.values()]
        rows.append(f"| {num_classes} | {num_images:,} | {draws} | {' | '.join(cells)} |")
    conditions = (
        f"Seeds 0 to {len(SIZES) - 1}. The champion's accuracy is {CHAMPION:.0%} in each class, the"
        f" correlation of the two models {CORRELATION}. Better: by {100 * GAIN:g} points in each"
        " class. Lost a class: 20 points worse in one class of at least 100 images, better in the"
        f" others, judged with `accepts: not_worse`. The margin is {100 * LIMITS.margin:g} points,"
        f" `max_f1_loss` {LIMITS.max_f1_loss}."
    )
    rows += ["", conditions]
    print("\n".join(rows))
    fill(Path("docs/models.md"), "gate", "\n".join(rows))


if __name__ == "__main__":
    main()
