"""Section train: the network and its recipe."""

from typing import Annotated, Literal

from pydantic import Field

from tasks.core.parameters import Count, NotNegative, Positive, Section, Seed, Share


class TrainParameters(Section):
    """The network and its recipe."""

    architecture: Literal["article", "light", "residual", "residual_deep"]
    whitening: bool
    seed: Seed
    epochs: Count
    batch_size: Count
    optimizer: Literal["adam", "muon", "sgd"]
    learning_rate: Positive
    momentum: Share
    schedule: Literal["constant", "one_cycle"]
    warmup_share: Share
    weight_decay: NotNegative
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    class_weights: Literal["none", "balanced"]
    flip: bool
    shift: Annotated[int, Field(ge=0)]
    average_decay: Share | None
    patience: Count | None
    mirror: bool
    precision: Literal["float32", "bfloat16"]
    deterministic: bool
    threads: Count
    onednn: bool
    export_tolerance: Positive
