"""What a person can say about images that their files don't."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from PIL import ImageColor

from tasks.images.policy import SizePolicy

Format = Literal["idx", "npz", "folders", "table"]


@dataclass(frozen=True)
class Options:
    """What was said, None where nothing was; `make_parser` has a line for each."""

    format: Format | None = None
    label_column: str | None = None
    path_column: str | None = None
    file_names: str | None = None
    split_column: str | None = None
    test_values: Sequence[str] | None = None
    size: tuple[int, int] | None = None
    fit: SizePolicy | None = None
    channels: Literal[1, 3] | None = None
    background: tuple[int, ...] | None = None
    white: int | None = None


def make_parser() -> ArgumentParser:
    """The command line: PATH, OUTPUT, and the options."""
    parser = ArgumentParser(prog="pipeline propose")
    parser.add_argument("path", metavar="PATH", help="labelled images")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="the file that is written")
    add = parser.add_argument
    add("--format", choices=get_args(Format), help="of what could be read in several ways")
    add("--label-column", metavar="NAME", help="of a table")
    add("--path-column", metavar="NAME", help="of a table: paths, image files or pixels")
    add("--file-names", type=_names, metavar="'images/{}.png'", help="what a bare name stands for")
    add("--split-column", metavar="NAME", help="of a table; none: choose test images by content")
    add("--test-values", nargs="+", metavar="VALUE", help="of that column: rows of test images")
    add("--size", type=_size, metavar="HEIGHTxWIDTH", help="of the images, in pixels")
    add("--fit", choices=get_args(SizePolicy), help="what to do with pictures of another size")
    add("--channels", type=int, choices=(1, 3), help="1 is grey, 3 is colour")
    add("--background", type=_colour, metavar="COLOUR", help="of the transparent: white, #ff8000")
    add("--white", type=int, metavar="VALUE", help="of 16-bit grey, that becomes 255")
    return parser


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        raise ArgumentTypeError(f"{text} is no size; expected height and width, such as 64x48")
    return int(height), int(width)


def _names(text: str) -> str:
    if "{}" not in text:
        raise ArgumentTypeError(
            f"{text} has no {{}} for the value; expected 'images/{{}}.png', say"
        )
    return text


def _colour(text: str) -> tuple[int, ...]:
    try:
        return tuple(ImageColor.getcolor(text, "RGB"))  # pyright: ignore[reportArgumentType]
    except ValueError:
        raise ArgumentTypeError(f"{text} is no colour; expected white, black, #ff8000") from None
