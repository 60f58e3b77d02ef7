"""Realistic ways in which a labelled image set goes wrong, for tests and documentation.

Each is a function of the data, of an amount in (0, 1], and of a random generator. What the amount
means stands with each.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tasks.core.dataset import ImageSplit, SplitName

Splits = dict[SplitName, ImageSplit]
Change = Callable[[Splits, float, np.random.Generator], Splits]


@dataclass(frozen=True)
class Corruption:
    """A way in which the data goes wrong.

    Attributes:
        name: what happens, in words.
        check: the expectation that names it; None where none can see it.
        change: does it.
        amount: what the amount is a share of; None where it is all or nothing.
        mild: an amount that must pass; None where none should.

    """

    name: str
    check: str | None
    change: Change
    amount: str | None
    mild: float | None = None


def _with(splits: Splits, name: SplitName, images: np.ndarray, labels: np.ndarray) -> Splits:
    changed = dict(splits)
    changed[name] = ImageSplit(images=images, labels=labels)
    return changed


def _some(count: int, share: float, generator: np.random.Generator) -> np.ndarray:
    return generator.permutation(count)[: max(1, round(share * count))]


def _on_images(change: Callable[[np.ndarray], np.ndarray], name: SplitName = "train") -> Change:
    """Changes a share of the images of a split, (m, height, width, channels) uint8 → the same."""

    def apply(splits: Splits, amount: float, generator: np.random.Generator) -> Splits:
        split = splits[name]
        images = np.array(split.images)
        chosen = _some(len(images), amount, generator)
        images[chosen] = change(images[chosen])
        return _with(splits, name, images, split.labels)

    return apply


def _on_labels(change: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Change:
    """Changes the labels of a share of the training images."""

    def apply(splits: Splits, amount: float, generator: np.random.Generator) -> Splits:
        split = splits["train"]
        labels = np.array(split.labels)
        chosen = np.sort(_some(len(labels), amount, generator))
        labels[chosen] = change(labels[chosen], generator)
        return _with(splits, "train", split.images, labels)

    return apply


def _on_array(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    """Changes the training images as a whole, their type and shape too."""

    def apply(splits: Splits, amount: float, generator: np.random.Generator) -> Splits:
        split = splits["train"]
        return _with(splits, "train", change(np.array(split.images)), split.labels)

    return apply


def _drop_class(splits: Splits, amount: float, generator: np.random.Generator) -> Splits:
    split = splits["train"]
    members = np.flatnonzero(split.labels == 3)
    dropped = members[_some(len(members), amount, generator)]
    kept = np.setdiff1d(np.arange(len(split.labels)), dropped)
    return _with(splits, "train", split.images[kept], split.labels[kept])


def _double_class(splits: Splits, amount: float, generator: np.random.Generator) -> Splits:
    split = splits["train"]
    members = np.flatnonzero(split.labels == 3)
    again = members[_some(len(members), amount, generator)]
    order = np.concatenate([np.arange(len(split.labels)), again])
    return _with(splits, "train", split.images[order], split.labels[order])


def _rename_shirts(splits: Splits, amount: float, generator: np.random.Generator) -> Splits:
    split = splits["train"]
    labels = np.array(split.labels)
    members = np.flatnonzero(labels == 6)
    labels[members[_some(len(members), amount, generator)]] = 0
    return _with(splits, "train", split.images, labels)


def _shift_labels(splits: Splits, amount: float, generator: np.random.Generator) -> Splits:
    """From some position on, each image gets the label of the image before it."""
    split = splits["train"]
    start = round(len(split.labels) * (1 - amount))
    labels = np.array(split.labels)
    labels[start:] = np.roll(labels[start:], 1)
    return _with(splits, "train", split.images, labels)


def _rename_classes(splits: Splits, amount: float, generator: np.random.Generator) -> Splits:
    """Both splits agree, so it looks like a data set of its own: only recorded hashes tell."""
    return {
        name: ImageSplit(split.images, ((split.labels.astype(np.int64) + 1) % 10).astype(np.uint8))
        for name, split in splits.items()
    }


def _truncate(splits: Splits, amount: float, generator: np.random.Generator) -> Splits:
    split = splits["train"]
    kept = len(split.labels) - max(1, round(len(split.labels) * amount))
    return _with(splits, "train", split.images[:kept], split.labels[:kept])


def _lose_labels(splits: Splits, amount: float, generator: np.random.Generator) -> Splits:
    split = splits["train"]
    kept = len(split.labels) - max(1, round(len(split.labels) * amount))
    return _with(splits, "train", split.images, split.labels[:kept])


def _leak(splits: Splits, amount: float, generator: np.random.Generator) -> Splits:
    """A share of the test images takes the place of training images of the same class."""
    train, test = splits["train"], splits["test"]
    images = np.array(train.images)
    for position in _some(len(test.labels), amount, generator):
        place = np.flatnonzero(train.labels == test.labels[position])
        images[place[position % len(place)]] = test.images[position]
    return _with(splits, "train", images, train.labels)


def _repeat(splits: Splits, amount: float, generator: np.random.Generator) -> Splits:
    """A share of the training images is replaced by the first image of its class."""
    split = splits["train"]
    images = np.array(split.images)
    for position in _some(len(images), amount, generator):
        images[position] = images[np.flatnonzero(split.labels == split.labels[position])[0]]
    return _with(splits, "train", images, split.labels)


def _stick_pixel(splits: Splits, amount: float, generator: np.random.Generator) -> Splits:
    split = splits["train"]
    images = np.array(split.images)
    images[_some(len(images), amount, generator), 14, 14] = 255
    return _with(splits, "train", images, split.labels)


def _set_float(value: float) -> Change:
    def apply(splits: Splits, amount: float, generator: np.random.Generator) -> Splits:
        split = splits["train"]
        images = split.images.astype(np.float32)
        images[_some(len(images), amount, generator), 0, 0] = value
        return _with(splits, "train", images, split.labels)

    return apply


def _empty(splits: Splits, amount: float, generator: np.random.Generator) -> Splits:
    split = splits["test"]
    return _with(splits, "test", split.images[:0], split.labels[:0])


def _noise(images: np.ndarray) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, images.shape, dtype=np.uint8)


def _brighten(images: np.ndarray) -> np.ndarray:
    return np.minimum(images.astype(np.int64) + 100, 255).astype(np.uint8)


def _wrong_label(labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return ((labels + generator.integers(1, 10, len(labels))) % 10).astype(np.uint8)


IMAGES = "of the training images"
ALIGNED = "labels belong to their images"
BALANCE = "balance: share of each class"
DARK = "dark background"

CORRUPTIONS = (
    Corruption("a class dropped", BALANCE, _drop_class, "of the images of Dress", 0.04),
    Corruption("a class doubled", BALANCE, _double_class, "of the images of Dress", 0.04),
    Corruption(
        "labels replaced by wrong ones",
        ALIGNED,
        _on_labels(_wrong_label),
        IMAGES,
        0.01,
    ),
    Corruption(
        "shirts labelled as T-shirts", BALANCE, _rename_shirts, "of the images of Shirt", 0.04
    ),
    Corruption("labels shifted by one image", ALIGNED, _shift_labels, IMAGES, 0.01),
    Corruption(
        "labels counted from 1",
        "labels within the classes",
        _on_labels(lambda labels, _: labels + 1),
        IMAGES,
    ),
    Corruption(
        "class names in another order",
        None,
        _rename_classes,
        None,
    ),
    Corruption(
        "labels shuffled",
        ALIGNED,
        _on_labels(lambda labels, generator: generator.permutation(labels)),
        IMAGES,
        0.01,
    ),
    Corruption(
        "labels outside the classes",
        "labels within the classes",
        _on_labels(lambda labels, _: np.full_like(labels, 200)),
        IMAGES,
    ),
    Corruption("labels missing", "every image has a label", _lose_labels, IMAGES),
    Corruption("images inverted", DARK, _on_images(lambda images: 255 - images), IMAGES, 0.005),
    Corruption(
        "pixels divided by 255, still uint8",
        "no blank or constant image",
        _on_images(lambda images: images // 255),
        IMAGES,
    ),
    Corruption(
        "pixels divided by 255, as floats",
        "type of the pixels",
        _on_array(lambda images: (images / 255).astype(np.float32)),
        None,
    ),
    Corruption(
        "all pixels divided by 2",
        "pixel range: in full use",
        _on_array(lambda images: images // 2),
        None,
    ),
    Corruption(
        "all pixels doubled, as uint16",
        "pixel range: highest value",
        _on_array(lambda images: images.astype(np.uint16) * 2),
        None,
    ),
    Corruption(
        "pixels as uint16",
        "type of the pixels",
        _on_array(lambda images: images.astype(np.uint16)),
        None,
    ),
    Corruption(
        "training images transposed",
        ALIGNED,
        _on_images(lambda images: images.swapaxes(1, 2)),
        IMAGES,
    ),
    Corruption(
        "test images transposed",
        ALIGNED,
        _on_images(lambda images: images.swapaxes(1, 2), "test"),
        "of the test images",
        0.01,
    ),
    Corruption("one pixel stuck", "pixels with one value in all images", _stick_pixel, IMAGES, 0.5),
    Corruption(
        "blank images",
        "no blank or constant image",
        _on_images(lambda images: images * np.uint8(0)),
        IMAGES,
    ),
    Corruption(
        "grey images without content",
        "no blank or constant image",
        _on_images(lambda images: np.full_like(images, 90)),
        IMAGES,
    ),
    Corruption("images of noise", DARK, _on_images(_noise), IMAGES, 0.005),
    Corruption("images too bright", DARK, _on_images(_brighten), IMAGES, 0.005),
    Corruption(
        "every image too bright",
        "brightness of each class",
        _on_array(_brighten),
        None,
    ),
    Corruption("split cut off", "number of images", _truncate, IMAGES),
    Corruption(
        "test images leaked into training",
        "test images that are training images",
        _leak,
        "of the test images",
    ),
    Corruption("images repeated", "duplicates within the split", _repeat, IMAGES, None),
    Corruption("NaN in float pixels", "pixels are finite", _set_float(np.nan), IMAGES),
    Corruption("infinity in float pixels", "pixels are finite", _set_float(np.inf), IMAGES),
    Corruption(
        "channels first",
        "height",
        _on_array(lambda images: images.transpose(0, 3, 1, 2)),
        None,
    ),
    Corruption(
        "images of another size",
        "width",
        _on_array(lambda images: np.pad(images, ((0, 0), (0, 0), (2, 2), (0, 0)))),
        None,
    ),
    Corruption("empty split", "there are images", _empty, None),
)
