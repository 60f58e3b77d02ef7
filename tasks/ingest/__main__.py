"""Stage ingest: data/raw from the first source that has the four IDX files.

python -m tasks.ingest
"""

from tasks import paths
from tasks.dataset import ImageSplit, SplitName, save_splits
from tasks.errors import InputError
from tasks.files import replacing
from tasks.idx import parse_idx
from tasks.ingest.sources import IdxFiles, fetch_first, sources_of
from tasks.parameters import DataParameters, load_parameters
from tasks.stage import run_stage


def main() -> None:
    """Load, check, save."""
    parameters = load_parameters()
    data, ingest = parameters.data, parameters.ingest
    with replacing(paths.RAW) as folder:
        files = fetch_first(sources_of(ingest), ingest.sha256)
        splits: dict[SplitName, ImageSplit] = {
            "train": read_split(files, images="train-images-idx3-ubyte", data=data),
            "test": read_split(files, images="t10k-images-idx3-ubyte", data=data),
        }
        origin = {"data_set": data.name, "format": "idx", "sha256": files.sha256}
        save_splits(folder, splits, origin)
    for name, split in splits.items():
        print(f"{name}: {len(split.labels):,} images", flush=True)


def read_split(files: IdxFiles, *, images: str, data: DataParameters) -> ImageSplit:
    """Reads and checks the images of one split and their labels."""
    labels = images.replace("images-idx3", "labels-idx1")
    pixels = parse_idx(files.content[images], name=images, num_dimensions=3)
    targets = parse_idx(files.content[labels], name=labels, num_dimensions=1)
    if pixels.shape[1:] != (data.height, data.width):
        raise InputError(
            f"{images} holds images of {pixels.shape[1]} × {pixels.shape[2]} pixels; params.yaml"
            f" says data.height {data.height}, data.width {data.width}"
        )
    if len(pixels) != len(targets):
        raise InputError(
            f"{images} holds {len(pixels):,} images, but {labels} {len(targets):,} labels"
        )
    return ImageSplit(images=pixels[..., None], labels=targets)


if __name__ == "__main__":
    run_stage("ingest", main)
