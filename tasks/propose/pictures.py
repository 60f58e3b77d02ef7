"""Image files that nobody has described: their sizes, their colours, and what to make of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any

from tasks.images.decode import decode_whole
from tasks.images.errors import ImageError, Tally
from tasks.images.policy import ImagePolicy, PicturePolicy
from tasks.propose.options import Options
from tasks.runner.errors import InputError
from tasks.runner.parts import map_parts

# Gives the bytes of a file; an ImageError where there is none.
Loader = Callable[[], bytes]
Seen = tuple[int, int, bool]  # height, width, whether it is in colour

# Pixels of the longer side. Photographs are scaled down to it: what most of them show is still
# seen, and a hundred times as many pixels take a hundred times as long.
LONGEST_SIDE = 128
SHORTEST_SIDE = 8  # the networks halve it more than once
# Until something else is known.
EXACT: dict[str, Any] = {"size": "refuse", "background": None, "white": None}
CHOICE: dict[str, Any] = {"test_share": 0.2, "test_seed": 0}
_PART = 32
_REMEDIES = {
    "is transparent in places": "--background white puts them on white, black on black",
    "has 16 bits per channel": "--white 65535 takes 16-bit grey, whose value 65535 becomes 255",
    "has another size": "--fit fit, crop or stretch takes pictures of other sizes",
    "is in colour": "--channels 3 takes pictures in colour",
}
_FITS = {
    "refuse": "which can't be used",
    "stretch": "scaled to it",
    "fit": "scaled until they fit, and padded",
    "crop": "scaled until they cover it, and cut to the centre",
}


def look_at(
    files: Iterable[tuple[str, Loader]], options: Options
) -> tuple[Counter[tuple[int, int]], int]:
    """How often each height and width occurs, and how many pictures are in colour."""
    policy = PicturePolicy(size="refuse", background=options.background, white=options.white)

    def look_at_part(part: Sequence[tuple[str, Loader]]) -> list[Seen | ImageError]:
        return [_look(name, load, policy) for name, load in part]

    sizes: Counter[tuple[int, int]] = Counter()
    in_colour = 0
    faults = Tally()
    for part in map_parts(look_at_part, files, size=_PART):
        for seen in part:
            if isinstance(seen, ImageError):
                faults.add(seen.kind, seen.name)
            else:
                sizes[seen[:2]] += 1
                in_colour += seen[2]
    if not sizes:
        lines = ["No picture can be used", *faults.describe(), *suggest(faults.counts)]
        lines.append("Mend them, or save them anew as grey or colour in 8 bits")
        raise InputError("\n".join(lines))
    return sizes, in_colour


def suggest(kinds: Iterable[str]) -> list[str]:
    """The options that would take what can't be used."""
    return [_REMEDIES[kind] for kind in kinds if kind in _REMEDIES]


def choose_policy(
    files: Iterable[tuple[str, Loader]], options: Options
) -> tuple[ImagePolicy, list[str]]:
    """A size worth training on, what becomes of the pictures of others, and what to tell."""
    sizes, in_colour = look_at(files, options)
    found, number = sizes.most_common(1)[0]
    total = sizes.total()
    tall, wide = zip(*sizes.elements(), strict=True)
    if number <= total / 2:
        found = round(median(tall)), round(median(wide))
    height, width = options.size or _reduce(*found)
    ratios = [high / wide for high, wide in sizes]
    is_one_shape = max(ratios) <= 1.02 * min(ratios) and abs(height / width / ratios[0] - 1) < 0.1
    others = total - sizes[height, width]
    fit = options.fit or ("refuse" if not others else "stretch" if is_one_shape else "fit")
    background = options.background or ((0,) if fit == "fit" else None)
    channels = options.channels or (3 if in_colour else 1)
    if channels == 1 and background is not None and len(set(background)) == 1:
        background = background[:1]
    shown = (
        f"{found[0]} × {found[1]}"
        if len(sizes) == 1
        else f"{len(sizes):,} sizes, {min(tall)} to {max(tall)} high, {min(wide)} to"
        f" {max(wide)} wide"
    )
    return ImagePolicy(
        height=height,
        width=width,
        channels=channels,
        size=fit,
        background=background,
        white=options.white,
    ), [
        f"pictures: {shown}; {in_colour:,} of {total:,} in colour",
        f"images: {height} × {width} (height × width), {'grey' if channels == 1 else 'in colour'}",
        f"of another size: {others:,}, {_FITS[fit]} (--size, --channels, --fit)",
    ]


def _reduce(height: int, width: int) -> tuple[int, int]:
    factor = min(1.0, LONGEST_SIDE / max(height, width))
    high, wide = (max(min(side, SHORTEST_SIDE), round(side * factor)) for side in (height, width))
    return high, wide


def _look(name: str, load: Loader, policy: PicturePolicy) -> Seen | ImageError:
    try:
        pixels = decode_whole(load(), name=name, channels=3, policy=policy)
    except ImageError as error:
        return error
    return pixels.shape[0], pixels.shape[1], bool((pixels != pixels[..., :1]).any())
