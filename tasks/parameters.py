"""The parameters of the pipeline: params.yaml, read, typed and closed.

    python -m tasks.parameters

checks params.yaml and prints nothing if every value is possible.
"""

import difflib
import sys
import zoneinfo
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tasks.errors import InputError

PARAMETERS_PATH = Path("params.yaml")

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Brightness = Annotated[float, Field(ge=0, le=255)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
Text = Annotated[str, StringConstraints(min_length=1)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def _known_timezone(name: str) -> str:
    if name not in zoneinfo.available_timezones():
        raise ValueError("Allowed are the names of the IANA database, such as Europe/Berlin")
    return name


class Section(BaseModel):
    """A section of params.yaml: every key required, no other key allowed, values never coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DataParameters(Section):
    """What the images and the labels are."""

    name: Text
    classes: Annotated[tuple[Text, ...], Field(min_length=2, strict=False)]
    height: Count
    width: Count
    channels: Literal[1, 3]
    train_images: Count | None
    test_images: Count | None


class IdxHashes(Section):
    """SHA-256 of the four IDX files, unpacked."""

    train_images: Sha256 = Field(alias="train-images-idx3-ubyte")
    train_labels: Sha256 = Field(alias="train-labels-idx1-ubyte")
    test_images: Sha256 = Field(alias="t10k-images-idx3-ubyte")
    test_labels: Sha256 = Field(alias="t10k-labels-idx1-ubyte")

    def by_file_name(self) -> dict[str, str]:
        """The hashes under the names of the IDX files."""
        return self.model_dump(by_alias=True)


class IngestParameters(Section):
    """Where the images come from, in the order in which the places are tried."""

    folder: Text
    system_folder: Text
    urls: Annotated[tuple[Text, ...], Field(strict=False)]
    debian_package: Text
    timeout: Positive
    sha256: IdxHashes | None


class ValidateParameters(Section):
    """What the data must be like before anything is trained on it."""

    shares: Annotated[tuple[Share, ...], Field(strict=False)] | None
    share_tolerance: Share
    max_divergence: Positive
    pixel_minimum: Annotated[int, Field(ge=0, le=255)]
    pixel_maximum: Annotated[int, Field(ge=0, le=255)]
    min_spread: Positive
    min_zero_share: Fraction
    max_share_without_zeros: Fraction
    class_brightness: Annotated[tuple[Brightness, Brightness], Field(strict=False)]
    max_duplicate_share: Fraction
    max_leaked_share: Fraction
    min_centroid_recall: Fraction

    def expected_shares(self, data: DataParameters) -> tuple[float, ...]:
        """The share of each class that is expected: even if none is stated."""
        return self.shares or (1 / len(data.classes),) * len(data.classes)


class PrepareParameters(Section):
    """How the validation split is held out."""

    validation_share: Share
    seed: Seed


class TrainParameters(Section):
    """The network and its recipe."""

    architecture: Literal["article", "strided", "residual", "residual_wide"]
    seed: Seed
    epochs: Count
    batch_size: Count
    optimizer: Literal["adam", "sgd"]
    learning_rate: Positive
    momentum: Share
    schedule: Literal["constant", "one_cycle"]
    warmup_share: Share
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)]
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


class EvaluateParameters(Section):
    """How the test result is stated."""

    confidence: Share
    calibration_bins: Count


class ReportParameters(Section):
    """How much the report shows."""

    mistakes: Count
    wrong_labels: Count
    neighbours: Count
    samples_per_class: Count
    confused_pairs: Count
    examples_per_pair: Count
    changed_images: Count


class FlowParameters(Section):
    """How the Prefect flow runs the stages."""

    retries: Annotated[int, Field(ge=0)]
    retry_delay: Positive
    cron: Annotated[str, StringConstraints(pattern=r"^\S+( \S+){4}$")]
    timezone: Annotated[str, AfterValidator(_known_timezone)]
    webhook: Text | None
    push_to: Text | None
    commit_to: Text | None


class GateParameters(Section):
    """What a candidate must be like to become the champion; null asks for nothing."""

    min_accuracy: Fraction | None
    min_recall: Fraction | None
    max_calibration_error: Fraction | None
    significance: Share
    max_f1_loss: Fraction
    keep: Annotated[int, Field(ge=2)]


class PredictParameters(Section):
    """How images that come from outside are classified."""

    resize: Literal["refuse", "stretch"]
    batch_size: Count
    threads: Count


class DriftParameters(Section):
    """How far a batch of images may be from the training images."""

    max_deviation: Positive
    max_divergence: Positive
    sampling_deviations: Positive


class Parameters(Section):
    """All of params.yaml."""

    data: DataParameters
    ingest: IngestParameters
    validate_: ValidateParameters = Field(alias="validate")
    prepare: PrepareParameters
    train: TrainParameters
    evaluate: EvaluateParameters
    report: ReportParameters
    flow: FlowParameters
    gate: GateParameters
    predict: PredictParameters
    drift: DriftParameters


def load_parameters(path: Path = PARAMETERS_PATH) -> Parameters:
    """Reads and checks a parameters file.

    Raises:
        InputError: with one line per fault, each naming the key, its value and what is allowed.

    """
    try:
        # The same reader as DVC's, so that both accept the same files.
        content = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} is missing. Run this from the project's folder.") from None
    except (YAMLError, UnicodeDecodeError) as error:
        cause = " ".join(str(error).split())
        raise InputError(f"{path} is not valid YAML: {cause}") from None
    if not isinstance(content, dict):
        allowed = ", ".join(_allowed_keys(()))
        raise InputError(f"{path} holds no sections. Expected the sections {allowed}.")
    try:
        return Parameters.model_validate(content)
    except ValidationError as error:
        faults = [_describe_fault(path, content, fault) for fault in error.errors()]
        raise InputError("\n".join(faults)) from None


def _describe_fault(path: Path, content: object, fault: object) -> str:
    assert isinstance(fault, dict)
    location: tuple[str | int, ...] = fault["loc"]
    key = ".".join(str(part) for part in location)
    parent, name = location[:-1], str(location[-1])
    if fault["type"] == "missing":
        return f"{path}: {key} is missing. Expected keys: {', '.join(_allowed_keys(parent))}."
    if fault["type"] == "extra_forbidden":
        allowed = _allowed_keys(parent)
        close = difflib.get_close_matches(name, allowed, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        return (
            f"{path}: {key} = {fault['input']!r} is unknown. Allowed: {', '.join(allowed)}.{hint}"
        )
    return f"{path}: {key} = {fault['input']!r} is not allowed. {fault['msg']}."


def _allowed_keys(location: tuple[str | int, ...]) -> list[str]:
    model: type[BaseModel] = Parameters
    for part in location:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        annotation = fields[str(part)].annotation
        assert isinstance(annotation, type)
        assert issubclass(annotation, BaseModel)
        model = annotation
    return [field.alias or name for name, field in model.model_fields.items()]


if __name__ == "__main__":
    try:
        load_parameters()
    except InputError as input_error:
        sys.exit(str(input_error))
