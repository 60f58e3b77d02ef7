"""How far two samples of the same images differ by chance, whatever their sizes and distribution.

The images of both are put together and dealt out again at random, many times: a permutation test.
It is exact for few images, rare values and rare classes too, where formulas for large samples fail,
and the error of both samples enters. Only counts matter, so that dealing is drawing from an urn.
"""

import numpy as np

from tasks.drift.reference import NUM_BINS, smooth_shares

NUM_SAMPLES = 10_000
_SEED = 0


def differences_of_means(
    reference: np.ndarray, batch: np.ndarray, *, tail: float, num_samples: int = NUM_SAMPLES
) -> tuple[float, float]:
    """Bounds that the batch's mean less the reference's leaves only by chance; 0 without images.

    Args:
        reference: (NUM_BINS,) counts of the images.
        batch: (NUM_BINS,) of the batch.
        tail: the probability on either side, of a difference beyond.
        num_samples: how often the images are dealt out.

    Returns:
        The lowest and the highest difference, as shares of the statistic's range.

    """
    if not batch.any():
        return 0.0, 0.0
    centres = (np.arange(NUM_BINS) + 0.5) / NUM_BINS
    pool = reference + batch
    filled = np.flatnonzero(pool)
    dealt = _deal(pool[filled], int(batch.sum()), num_samples) @ centres[filled]
    differences = dealt / batch.sum() - (pool @ centres - dealt) / reference.sum()
    return -_exceeded_by(-differences, tail), _exceeded_by(differences, tail)


def divergence_of_labels(
    reference: np.ndarray, batch: np.ndarray, *, tail: float, num_samples: int = NUM_SAMPLES
) -> float:
    """What the divergence of the batch's labels from the reference's exceeds only by chance.

    From (classes,) counts; Kullback-Leibler, in nats. `tail` is the probability of one beyond.
    Without images, 0.
    """
    if not batch.any():
        return 0.0
    pool = reference + batch
    dealt = _deal(pool, int(batch.sum()), num_samples)
    observed = dealt / batch.sum()
    expected = smooth_shares(pool - dealt)
    # Nothing is added by a class that a batch doesn't hold.
    ratios = np.where(observed > 0, observed, expected) / expected
    return _exceeded_by((observed * np.log(ratios)).sum(axis=1), tail)


def _deal(pool: np.ndarray, number: int, num_samples: int) -> np.ndarray:
    """(num_samples, kinds): how many of each kind are among `number` drawn without replacement."""
    generator = np.random.default_rng(_SEED)
    return generator.multivariate_hypergeometric(pool, number, size=num_samples, method="marginals")


def _exceeded_by(samples: np.ndarray, tail: float) -> float:
    """The value that one more sample of the same kind exceeds with a probability of `tail` at most.

    The observed difference counts as one of them, which makes the test exact for any number.
    """
    rank = max(1, int(tail * (len(samples) + 1)))
    return float(np.partition(samples, -rank)[-rank])
