"""The parameters of the pipeline: params.yaml, read, typed and closed.

    python -m tasks.parameters

checks params.yaml and prints nothing if every value is possible.
"""

import difflib
import sys
import zoneinfo
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from cronsim import CronSim, CronSimError
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
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
WebAddress = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+\S*$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def _known_timezone(name: str) -> str:
    if name not in zoneinfo.available_timezones():
        raise ValueError("Allowed are the names of the IANA database, such as Europe/Berlin")
    return name


def _possible_cron(expression: str) -> str:
    try:
        CronSim(expression, datetime.fromtimestamp(0, UTC))
    except CronSimError as error:
        raise ValueError(
            f"{error}. Allowed are five fields: minute, hour, day of the month, month, day of the"
            " week, such as 0 6 * * MON-FRI"
        ) from None
    return expression


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("Each name may stand there once")
    return names


class Section(BaseModel):
    """A section of params.yaml: every key required, no other key allowed, values never coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DataParameters(Section):
    """What the images and the labels are."""

    name: Text
    classes: Annotated[
        tuple[Text, ...],
        Field(min_length=2, max_length=256, strict=False),
        AfterValidator(_distinct),
    ]
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


class IdxParameters(Section):
    """The four IDX files of the MNIST family, from the first place that has them.

    Attributes:
        path: a folder, looked at first.
        system_folder: where a Debian package would put the files.

    """

    format: Literal["idx"]
    path: Text
    system_folder: Text | None
    urls: Annotated[tuple[Text, ...], Field(strict=False)]
    debian_package: Text | None
    timeout: Positive
    sha256: IdxHashes | None


class NpzParameters(Section):
    """One npz file in MedMNIST's layout.

    Attributes:
        path: of the file.
        test_share: of each class, if the file has no test images.
        test_seed: of the choice.

    """

    format: Literal["npz"]
    path: Text
    test_share: Share
    test_seed: Seed


class FoldersParameters(Section):
    """A folder of PNG and JPEG files for each class.

    Attributes:
        path: the folder of those folders, or of train and test, which hold them.
        resize: what happens to images of another size.
        max_faulty_share: of the images, that may be unusable; they are left out.
        test_share: of each class, if there is no folder test.
        test_seed: of the choice.

    """

    format: Literal["folders"]
    path: Text
    resize: Literal["refuse", "stretch"]
    max_faulty_share: Fraction
    test_share: Share
    test_seed: Seed


class TableParameters(Section):
    """A CSV or Parquet file that names PNG and JPEG files and their labels.

    Attributes:
        path: the folder that holds the table and the images.
        table: the table's name in that folder.
        path_column: the images' paths, relative to that folder.
        label_column: the labels.
        labels: names of classes, or their numbers from 0.
        split_column: holds train, val or test; null if there is none.
        resize: what happens to images of another size.
        max_faulty_share: of the images, that may be unusable; they are left out.
        test_share: of each class, if there is no such column.
        test_seed: of the choice.

    """

    format: Literal["table"]
    path: Text
    table: Text
    path_column: Text
    label_column: Text
    labels: Literal["names", "numbers"]
    split_column: Text | None
    resize: Literal["refuse", "stretch"]
    max_faulty_share: Fraction
    test_share: Share
    test_seed: Seed


IngestParameters = IdxParameters | NpzParameters | FoldersParameters | TableParameters


class ValidateParameters(Section):
    """What the data must be like before anything is trained on it."""

    shares: Annotated[tuple[Share, ...], Field(strict=False)] | None
    share_tolerance: Share
    max_divergence: Positive
    pixel_minimum: Annotated[int, Field(ge=0, le=255)]
    pixel_maximum: Annotated[int, Field(ge=0, le=255)]
    min_highest: Annotated[int, Field(ge=0, le=255)]
    max_constant_pixels: Annotated[int, Field(ge=0)]
    min_spread: Annotated[float, Field(ge=0, allow_inf_nan=False)]
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
    cron: Annotated[
        str, StringConstraints(pattern=r"^\S+( \S+){4}$"), AfterValidator(_possible_cron)
    ]
    timezone: Annotated[str, AfterValidator(_known_timezone)]
    webhook: WebAddress | None
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
    ingest: Annotated[IngestParameters, Field(discriminator="format")]
    validate_: ValidateParameters = Field(alias="validate")
    prepare: PrepareParameters
    train: TrainParameters
    evaluate: EvaluateParameters
    report: ReportParameters
    flow: FlowParameters
    gate: GateParameters
    predict: PredictParameters
    drift: DriftParameters

    @model_validator(mode="after")
    def _check_shares(self) -> Self:
        shares = self.validate_.shares
        if shares and len(shares) != len(self.data.classes):
            raise ValueError(
                f"validate.shares has {len(shares)} values for {len(self.data.classes)} classes"
            )
        if shares and abs(sum(shares) - 1) > 1e-5:
            raise ValueError(f"validate.shares sums to {sum(shares):g}; expected 1")
        return self


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
        allowed = ", ".join(_resolve(("",))[1])
        raise InputError(f"{path} holds no sections. Expected the sections {allowed}.")
    try:
        return Parameters.model_validate(content)
    except ValidationError as error:
        faults = [_describe_fault(path, dict(fault)) for fault in error.errors()]
        raise InputError("\n".join(faults)) from None


def _describe_fault(path: Path, fault: Mapping[str, Any]) -> str:
    message = fault["msg"].removeprefix("Value error, ")
    if not fault["loc"]:
        return f"{path}: {message}."
    location, allowed = _resolve(fault["loc"])
    key = ".".join(location)
    if fault["type"] == "missing":
        return f"{path}: {key} is missing. Expected keys: {', '.join(allowed)}."
    if fault["type"] == "extra_forbidden":
        close = difflib.get_close_matches(location[-1], allowed, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        return (
            f"{path}: {key} = {fault['input']!r} is unknown. Allowed: {', '.join(allowed)}.{hint}"
        )
    if fault["type"] == "union_tag_not_found":
        return f"{path}: {key}.format is missing. Allowed: {', '.join(_formats())}."
    if fault["type"] == "union_tag_invalid":
        return (
            f"{path}: {key}.format = {fault['ctx']['tag']!r} is unknown."
            f" Allowed: {', '.join(_formats())}."
        )
    return f"{path}: {key} = {fault['input']!r} is not allowed. {message}."


def _resolve(location: tuple[str | int, ...]) -> tuple[list[str], list[str]]:
    """The keys on the way to a fault, and those that are allowed where the last of them stands.

    Pydantic puts the format that it found between `ingest` and the keys below it.
    """
    keys: list[str] = []
    models: list[type[BaseModel]] = [Parameters]
    allowed: list[str] = []
    for part in map(str, location):
        if len(models) > 1:
            models = [_formats()[part]]
            continue
        keys.append(part)
        if not models:
            continue
        fields = {field.alias or name: field for name, field in models[0].model_fields.items()}
        allowed = list(fields)
        models = _models_in(fields[part].annotation) if part in fields else []
    return keys, allowed


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    members = get_args(annotation) or (annotation,)
    return [
        member for member in members if isinstance(member, type) and issubclass(member, Section)
    ]


def _formats() -> dict[str, type[BaseModel]]:
    """What `ingest.format` can be, and the keys that belong to it."""
    models = _models_in(IngestParameters)
    return {get_args(model.model_fields["format"].annotation)[0]: model for model in models}


if __name__ == "__main__":
    try:
        load_parameters()
    except InputError as input_error:
        sys.exit(str(input_error))
