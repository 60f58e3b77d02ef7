"""Section prepare: how the validation split is held out."""

from tasks.core.parameters import Section, Seed, Share


class PrepareParameters(Section):
    """How the validation split is held out."""

    validation_share: Share
    seed: Seed
