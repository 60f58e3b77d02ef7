"""Section ingest: where the labelled images are."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal
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


class OfFourFiles(Section):
    """Something of each of the four IDX files."""

    train_images: Text
    train_labels: Text
    test_images: Text
    test_labels: Text


class IdxHashes(OfFourFiles):
    """SHA-256 of the four IDX files, unpacked."""

    train_images: Sha256
    train_labels: Sha256
    test_images: Sha256
    test_labels: Sha256


class IdxParameters(Section):
    """The four IDX files of the MNIST family, from the first place that has them.

    Attributes:
        path: a folder, looked at first.
        files: their names, without .gz.
        first_label: the number of the first class.
        system_folder: where a Debian package would put the files.

    """

    format: Literal["idx"]
    path: Text
    files: OfFourFiles
    first_label: int
    system_folder: Text | None
    urls: Annotated[tuple[Url, ...], Field(strict=False)]
    debian_package: Text | None
    timeout: Positive
    sha256: IdxHashes | None


class NpzParameters(Section):
    """One npz file in MedMNIST's layout.

    Attributes:
        path: of the file.
        first_label: the number of the first class.
        test_share: of each class, if the file has no test images.
        test_seed: of the choice.

    """

    format: Literal["npz"]
    path: Text
    first_label: int
    test_share: Share
    test_seed: Seed


class PicturesParameters(PicturePolicy):
    """What all sources of image files have in common.

    Attributes:
        max_faulty_share: of the images, that may be unusable; they are left out.
        test_share: of each class, if the source has no test images of its own.
        test_seed: of the choice.

    """

    path: Text
    max_faulty_share: Fraction
    test_share: Share
    test_seed: Seed


class FoldersParameters(PicturesParameters):
    """A folder of image files for each class.

    Attributes:
        path: the folder of those folders, or of train and test, which hold them.

    """

    format: Literal["folders"]


class TableParameters(PicturesParameters):
    """CSV or Parquet files that name image files and their labels, or hold the images.

    Attributes:
        path: the folder that holds the tables and the images.
        tables: the tables' names in that folder, `*` standing for any characters, by part.
        header: whether their first row names the columns; if not, they are called 1, 2, ….
        images: what a row has: the name of a file, the bytes of a file, or pixels.
        image_column: of that; with a `*`, the columns of one pixel each.
        file_names: the path of the file whose name is {}, relative to the table's folder.
        label_column: the labels. Rows without one are left aside.
        labels: names of classes, or their numbers from 0.
        split_column: says which rows are test images; null if there is none.
        split_values: the parts for which its values stand; null: they are the usual words.

    """

    format: Literal["table"]
    tables: Annotated[
        dict[Part, Annotated[tuple[Text, ...], Field(strict=False, min_length=1)]],
        Field(min_length=1),
    ]
    header: bool
    images: Literal["files", "bytes", "pixels"]
    image_column: Text
    file_names: Annotated[str, StringConstraints(pattern=r"\{\}")]
    label_column: Text
    labels: Literal["names", "numbers"]
    split_column: Text | None
    split_values: dict[str, Part] | None


IngestParameters = IdxParameters | NpzParameters | FoldersParameters | TableParameters


def require_source_outside_outputs(source: str, outputs: Iterable[Path]) -> None:
    """Makes sure that a run can't write over its own source.

    Args:
        source: `ingest.path`.
        outputs: paths that stages write.

    Raises:
        InputError: the source lies in an output, or an output in the source.

    """
    place = Path(source).resolve()
    for output in outputs:
        written = output.resolve()
        if written in (place, *place.parents) or place in written.parents:
            raise InputError(
                f"ingest.path in params.yaml is {source}, but {output} is written, and removed, by"
                " the pipeline. Expected a path that has nothing to do with it. Move the images,"
                " to data/source, say, and set ingest.path"
            )
