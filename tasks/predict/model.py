"""The model that predicts: the champion, the candidate, or one in a folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.core import paths
from tasks.core.seal import check_seal
from tasks.images.policy import ImagePolicy, read_policy
from tasks.models.card import MODEL_NAME, version_of
from tasks.models.classifier import Classifier
from tasks.models.store import CHAMPIONS, champion_folder
from tasks.runner.errors import InputError

if TYPE_CHECKING:
    from tasks.drift.reference import Reference


@dataclass(frozen=True)
class Model:
    """A model, ready to predict.

    Attributes:
        version: of all that its users depend on; see `tasks.models.card`.
        classes: their names, in the order of the probabilities.
        policy: what was done with the pictures of its training, and is done with others.

    """

    version: str
    folder: Path
    classes: tuple[str, ...]
    policy: ImagePolicy
    classifier: Classifier

    def read_reference(self) -> "Reference":
        """What the model's training images are like.

        Raises:
            InputError: that isn't known.

        """
        from tasks.drift.reference import REFERENCE_NAME  # imports pandas

        path = check_seal(self.folder / REFERENCE_NAME, remedy="Train the model anew: dvc repro")
        return json.loads(path.read_text(encoding="utf-8"))


def load_model(name: str | None, *, num_threads: int, champions: Path = CHAMPIONS) -> Model:
    """Loads a model, after a check of its bytes.

    Args:
        name: "champion", "candidate", or a folder; None is the champion.

    Raises:
        InputError: there is no such model, or it is damaged.

    """
    folder = find_folder(name, champions)
    remedy = "Take another model, or make it anew: dvc repro"
    model = check_seal(folder / MODEL_NAME, remedy=remedy)
    card_path = check_seal(folder / paths.MODEL_CARD.name, remedy=remedy)
    card = json.loads(card_path.read_text(encoding="utf-8"))
    return Model(
        version=version_of(folder),
        folder=folder,
        classes=tuple(card["classes"]),
        policy=read_policy(card, name=str(card_path)),
        classifier=Classifier(model.read_bytes(), num_threads=num_threads),
    )


def find_folder(name: str | None, champions: Path) -> Path:
    """The folder of a model; see `load_model`."""
    if name in (None, "champion"):
        if champion := champion_folder(champions):
            return champion
        raise InputError(
            "There is no champion yet: no model has passed the gate. Train one and let the gate"
            " decide: pipeline repro && pipeline gate. Or name the last one that was"
            " trained: --model candidate"
        )
    folder = paths.CANDIDATE if name == "candidate" else Path(name)
    if not folder.is_dir():
        raise InputError(
            f"There is no model in {folder}. Expected champion, candidate, or a folder that holds"
            f" {MODEL_NAME}. The pipeline makes a candidate: dvc repro"
        )
    return folder
