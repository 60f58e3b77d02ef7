"""Section ingest: where the labelled images are."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Generic, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints

from tasks.core.parameters import Fraction, Positive, Section, Seed, Share, Text
from tasks.images.policy import PicturePolicy
from tasks.runner.errors import InputError

Part = Literal["train", "val", "test"]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def _check_address(url: str) -> str:
    address = urlsplit(url)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ValueError("Expected an address that begins with https:// or http://")
    return url


Url = Annotated[str, AfterValidator(_check_address)]


Of = TypeVar("Of")


class OfFourFiles(Section, Generic[Of]):
    """Something of each of the four IDX files."""

    train_images: Of
    train_labels: Of
    test_images: Of
    test_labels: Of


class IdxParameters(Section):
    """The four IDX files of the MNIST family, from the first place that has them."""

    format: Literal["idx"]
    path: Text
    """the folder with the four files; looked at first"""
    files: OfFourFiles[Text]
    """without .gz"""
    first_label: int
    """the number of the first class"""
    system_folder: Text | None
    """where a Debian package would put the files"""
    urls: Annotated[tuple[Url, ...], Field(strict=False)]
    """addresses where the files lie, if they aren't in the folder"""
    debian_package: Text | None
    timeout: Positive
    """seconds without an answer"""
    sha256: OfFourFiles[Sha256] | None
    """of the four files, unpacked; null takes them as they are"""


class ChoiceParameters(Section):
    """The choice of test images where the source has none of its own."""

    test_share: Share
    """of each class, by content, where there are no test images"""
    test_seed: Seed
    """gives another choice"""


class NpzParameters(ChoiceParameters):
    """One npz file with the names of MedMNIST or Keras."""

    format: Literal["npz"]
    path: Text
    first_label: int
    """the number of the first class"""


class PicturesParameters(PicturePolicy, ChoiceParameters):
    """What all sources of image files have in common."""

    max_faulty_share: Fraction
    """of the images, that can't be used and are left out"""


class FoldersParameters(PicturesParameters):
    """A folder of image files for each class, or folders train and test that hold those."""

    format: Literal["folders"]
    path: Text


class TableParameters(PicturesParameters):
    """CSV or Parquet files that name image files and their labels, or hold the images."""

    format: Literal["table"]
    path: Text
    """the folder that holds tables and images"""
    tables: Annotated[
        dict[Part, Annotated[tuple[Text, ...], Field(strict=False, min_length=1)]],
        Field(min_length=1),
    ]
    """by part, in the folder `path`; * stands for any characters"""
    header: bool
    """false: the columns are called 1, 2, …"""
    images: Literal["files", "bytes", "pixels"]
    """what a row has: files by name, bytes of a file, or pixels"""
    image_column: Text
    """with *: a column for each pixel"""
    file_names: Annotated[str, StringConstraints(pattern=r"\{\}")]
    """{} is the value, {table} the table's name; relative to the table's folder"""
    label_column: Text
    labels: Literal["names", "numbers"]
    """of the classes; numbers count from 0"""
    split_column: Text | None
    """says which images are for the test"""
    split_values: dict[str, Part] | None
    """the parts for which its values stand; null: the usual words"""


Published = IdxParameters | NpzParameters
IngestParameters = Published | FoldersParameters | TableParameters


def require_source_outside_outputs(source: str, outputs: Iterable[Path]) -> None:
    """Refuses an `ingest.path` in an output, or around one: a run would write over its source."""
    place = Path(source).resolve()
    for output in outputs:
        written = output.resolve()
        if written in (place, *place.parents) or place in written.parents:
            raise InputError(
                f"ingest.path in params.yaml is {source}, but {output} is written, and removed, by"
                " the pipeline. Expected a path that has nothing to do with it. Move the images,"
                " to data/source, say, and set ingest.path"
            )
