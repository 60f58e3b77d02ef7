"""Section ingest: where the labelled images are."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from tasks.core.parameters import Fraction, Positive, Section, Seed, Share, Text
from tasks.images.policy import PicturePolicy
from tasks.runner.errors import InputError

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


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
    """A CSV or Parquet file that names image files and their labels.

    Attributes:
        path: the folder that holds the table and the images.
        table: the table's name in that folder.
        path_column: the images' paths, relative to that folder.
        label_column: the labels.
        labels: names of classes, or their numbers from 0.
        split_column: holds train, val or test; null if there is none.

    """

    format: Literal["table"]
    table: Text
    path_column: Text
    label_column: Text
    labels: Literal["names", "numbers"]
    split_column: Text | None


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
