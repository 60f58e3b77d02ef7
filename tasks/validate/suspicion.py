"""Whether more labels are suspicious than in data that was accepted before.

A clean set has suspicious labels too: images at the border of two classes. So only a rise counts,
class by class: of the images that are labelled so, and of the others that are suggested to be so.
"""

import numpy as np
import pandas as pd
from pydantic import NonNegativeInt
from scipy.stats import hypergeom

from tasks.core.parameters import Section


class Suspicion(Section):
    """How many labels are suspicious, of each class, in the order of the classes.

    Attributes:
        images: that were looked at.
        suspected: of these, images that look like another class.
        suggested: images of other classes that look like this one.

    """

    images: list[NonNegativeInt]
    suspected: list[NonNegativeInt]
    suggested: list[NonNegativeInt]


def count_suspicions(
    suspicious: pd.DataFrame, looked_at: np.ndarray, *, num_classes: int
) -> Suspicion:
    """Counts what `find_suspicious_labels` found.

    Args:
        suspicious: its table.
        looked_at: the labels of the images that it looked at.
        num_classes: how many there are.

    """

    def count(labels: np.ndarray) -> list[int]:
        return np.bincount(labels.astype(np.int64), minlength=num_classes).tolist()

    return Suspicion(
        images=count(looked_at),
        suspected=count(suspicious["label"].to_numpy()),
        suggested=count(suspicious["suggestion"].to_numpy()),
    )


def compare_suspicions(found: Suspicion, accepted: Suspicion) -> np.ndarray:
    """How probable so many suspicious labels are if the images are like the accepted ones.

    Fisher's exact test, so that the chance in both samples enters. The probabilities are corrected
    for the number of comparisons, two per class: one below 1% is a false alarm for one set in a
    hundred, over all classes.

    Returns:
        (2, classes) float64: of the suspected, and of the suggested.

    """
    of_class = np.array([found.images, accepted.images])
    of_others = of_class.sum(axis=1, keepdims=True) - of_class
    pairs = (
        (np.array([found.suspected, accepted.suspected]), of_class),
        (np.array([found.suggested, accepted.suggested]), of_others),
    )
    probabilities = np.stack(
        [
            hypergeom.sf(hits[0] - 1, numbers.sum(axis=0), hits.sum(axis=0), numbers[0])
            for hits, numbers in pairs
        ]
    )
    return np.minimum(probabilities * probabilities.size, 1)
