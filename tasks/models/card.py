"""What a model is: its version, and what it was trained on, as its folder tells.

A folder of a model holds the exported file, card.json, and hashes of the images that it has
seen; models/candidate, models/champion/VERSION and a folder of one's own are all read by this.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from tasks.core import paths
from tasks.core.files import sha256_of
from tasks.runner.errors import InputError

MODEL_NAME = paths.EXPORTED_MODEL.name
CARD_NAME = paths.MODEL_CARD.name
SEEN_NAME = paths.SEEN_IMAGES.name
# What the answers of a model mean depends on these, besides the exported file. How it came to be
# (parameters, versions of libraries, origin of the data) is in the card, too, and changes nothing.
_MEANING = ("input", "output", "classes", "temperature")
_VERSION_DIGITS = 12


def version_of(folder: Path) -> str:
    """A model's version: the beginning of a SHA-256 of all that its users depend on.

    That is the exported file, and what the card says of the images it takes and how others are made
    to fit, of the classes and their order, and of the calibration.

    Raises:
        InputError: there is no model in the folder.

    """
    card = read_card(folder)
    model = folder / MODEL_NAME
    if not model.is_file():
        raise InputError(f"There is no {model}. The pipeline makes a candidate: dvc repro")
    return tell_version(sha256_of(model), card)


def tell_version(model_sha256: str, card: dict[str, Any]) -> str:
    """The version of a model of which the hash and the card are known; see `version_of`."""
    meaning = [model_sha256, *(card.get(key) for key in _MEANING)]
    content = json.dumps(meaning, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:_VERSION_DIGITS]


def read_card(folder: Path) -> dict[str, Any]:
    """Reads what a model's folder says about it.

    Raises:
        InputError: there is no card, or it isn't one.

    """
    path = folder / CARD_NAME
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        _ = [str(name) for name in card["classes"]]
    except FileNotFoundError:
        raise InputError(
            f"There is no model in {folder}: it holds no {CARD_NAME}."
            " The pipeline makes a candidate: dvc repro"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} can't be read ({error!r}). Make it anew: dvc repro") from None
    return card


def read_seen(folder: Path) -> np.ndarray:
    """The sorted uint64 hashes of the images that a model was trained and chosen on.

    They are the contents of `tasks.images.statistics.describe_images`.

    Raises:
        InputError: they aren't there, or can't be read.

    """
    path = folder / SEEN_NAME
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"It isn't known on which images {folder} was trained: {path} can't be read ({error})."
            " Models that are made anew have it"
        ) from None
