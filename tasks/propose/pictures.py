"""Image files that nobody has described: their sizes, their colours, and what to make of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np

from tasks.images.decode import decode_whole
from tasks.images.errors import ImageError, Tally
from tasks.images.files import read_file
from tasks.images.parallel import map_parts
from tasks.ingest.source import TestChoice
from tasks.propose.options import Options
from tasks.propose.sections import Section
from tasks.runner.errors import InputError

Loader = Callable[[], np.ndarray]

# Pixels of the longer side. Photographs are scaled down to it: what most of them show is still
# seen, and a hundred times as many pixels take a hundred times as long.
LONGEST_SIDE = 128
CHOICE = TestChoice(share=0.2, seed=0)
CHOICE_SECTION: Section = {
    "test_share": (CHOICE.share, "of each class, by content, where there are no test images"),
    "test_seed": (CHOICE.seed, "gives another choice"),
}
_PART = 32
_REMEDIES = {
    "is transparent in places": "--background white puts them on white, black on black",
    "has 16 bits per channel": "--white 65535 takes 16-bit grey, whose value 65535 becomes 255",
    "has another size": "--fit fit, crop or stretch takes pictures of other sizes",
    "is in colour": "--channels 3 takes pictures in colour",
}


@dataclass
class Look:
    """What was seen of some pictures.

    Attributes:
        sizes: height and width, counted.
        in_colour: how many have pixels that aren't grey.
        faults: of those that can't be used.

    """

    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    in_colour: int = 0
    faults: Tally = field(default_factory=Tally)


def load_file(path: Path, options: Options) -> np.ndarray:
    """The pixels of a file in its own size and in colour."""
    content = read_file(path, name=str(path), follow_links=True)
    return load_bytes(content, name=str(path), options=options)


def load_bytes(content: object, *, name: str, options: Options) -> np.ndarray:
    """The pixels of a file's content, which a table may hold with its path."""
    content = content.get("bytes") if isinstance(content, dict) else content
    if not isinstance(content, bytes):
        raise ImageError(name, "holds no image")
    return decode_whole(
        content, name=name, channels=3, background=options.background, white=options.white
    )


def look_at(loaders: Iterable[Loader]) -> Look:
    """Decodes pictures on all cores.

    Raises:
        InputError: none of them can be used.

    """
    look = Look()
    for part in map_parts(_look_at_part, loaders, size=_PART):
        for seen in part:
            if isinstance(seen, ImageError):
                look.faults.add(seen.kind, seen.name)
            else:
                size, in_colour = seen
                look.sizes[size] += 1
                look.in_colour += in_colour
    if not look.sizes:
        lines = ["No picture can be used", *look.faults.describe(), *suggest(look.faults.counts)]
        raise InputError("\n".join(lines))
    return look


def suggest(kinds: Iterable[str]) -> list[str]:
    """The options that would take what can't be used."""
    return [_REMEDIES[kind] for kind in kinds if kind in _REMEDIES]


def describe_pictures(look: Look, options: Options) -> tuple[Section, Section, list[str]]:
    """Chooses a size worth training on, and what becomes of the pictures of others.

    Returns:
        Of the section data: height, width, channels. Of the section ingest: the policy, what may be
        left out, the choice of test images. And what to tell.

    """
    found, number = look.sizes.most_common(1)[0]
    total = look.sizes.total()
    if number <= total / 2:
        tall, wide = zip(*look.sizes.elements(), strict=True)
        found = round(median(tall)), round(median(wide))
    height, width = options.size or _reduce(*found)
    ratios = [high / wide for high, wide in look.sizes]
    is_one_shape = max(ratios) <= 1.02 * min(ratios) and abs(height / width / ratios[0] - 1) < 0.1
    others = total - look.sizes[height, width]
    fit = options.fit or ("refuse" if not others else "stretch" if is_one_shape else "fit")
    background = options.background or ((0,) if fit == "fit" else None)
    channels = options.channels or (3 if look.in_colour else 1)
    if channels == 1 and background is not None and len(set(background)) == 1:
        background = background[:1]
    tall, wide = ([size[axis] for size in look.sizes] for axis in (0, 1))
    sizes = (
        f"{found[0]} × {found[1]}"
        if len(look.sizes) == 1
        else f"{len(look.sizes):,} sizes, {min(tall)} to {max(tall)} high, {min(wide)} to"
        f" {max(wide)} wide"
    )
    lines = [
        f"pictures: {sizes}; {look.in_colour:,} of {total:,} in colour",
        f"images: {height} × {width} (height × width), {'grey' if channels == 1 else 'in colour'}",
        f"of another size: {others:,}, {_FITS[fit]} (--size, --channels, --fit)",
    ]
    return (
        {
            "height": (height, "pixels"),
            "width": (width, "pixels"),
            "channels": (channels, "1 is grey, 3 is colour"),
        },
        {
            "size": (fit, f"or refuse, stretch, fit, crop; {others:,} pictures have another size"),
            "background": (
                None if background is None else list(background),
                "behind transparent pixels, and around pictures that are padded",
            ),
            "white": (options.white, "the value of 16-bit grey that becomes 255"),
            "max_faulty_share": (1.0, "of the images, that can't be used and are left out"),
            **CHOICE_SECTION,
        },
        lines,
    )


_FITS = {
    "refuse": "which can't be used",
    "stretch": "scaled to it",
    "fit": "scaled until they fit, and padded",
    "crop": "scaled until they cover it, and cut to the centre",
}


def _reduce(height: int, width: int) -> tuple[int, int]:
    factor = min(1.0, LONGEST_SIDE / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def _look_at_part(part: Sequence[Loader]) -> list[tuple[tuple[int, int], bool] | ImageError]:
    seen = []
    for load in part:
        try:
            pixels = load()
        except ImageError as error:
            seen.append(error)
        else:
            in_colour = bool((pixels != pixels[..., :1]).any())
            seen.append(((pixels.shape[0], pixels.shape[1]), in_colour))
    return seen
