"""Files that people have among their images, and what becomes of each: tested, and told in docs.

    python -m tests.tasks.images.cases

writes the table of docs/data.md.
"""

import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.pages import fill
from tests.conftest import PROJECT

PAGE = PROJECT / "docs" / "data.md"
MARK = "read"
GREY = np.random.default_rng(7).integers(0, 256, (4, 5), np.uint8)


@dataclass(frozen=True)
class Case:
    """One file in the folder of a class, or among images to classify.

    Attributes:
        what: it is, in words.
        name: of the file.
        write: makes it.
        outcome: `read`, or the kind of what is wrong, or that under which it is left aside.
        predict: the same for `predict`, where it differs.
        options: of the section ingest, where they aren't null and `size: refuse`.

    """

    what: str
    name: str
    write: Callable[[Path], object]
    outcome: str
    predict: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def render(self) -> str:
        """A row of the table."""
        options = ", ".join(f"`{key}: {value}`" for key, value in self.options.items())
        told = self.outcome + (f"; in `predict`: {self.predict}" if self.predict else "")
        return f"| {self.what} | {options} | {told} |"


def picture(mode: str = "L", size: tuple[int, int] = (5, 4)) -> Image.Image:
    return Image.fromarray(GREY).resize(size).convert(mode)


def save(image: Image.Image, kind: str, **options: Any) -> Callable[[Path], object]:
    return lambda path: image.save(path, kind, **options)


def write(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def cut(image: Image.Image) -> Callable[[Path], object]:
    file = io.BytesIO()
    image.save(file, "PNG")
    return write(file.getvalue()[:-20])


def write_large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**26 + 1)


def link_to_file(path: Path) -> None:
    target = path.parent.parent.parent / "elsewhere.png"
    picture().save(target)
    path.symlink_to(target)


def link_to_folder(path: Path) -> None:
    target = path.parent.parent.parent / "elsewhere"
    target.mkdir()
    path.symlink_to(target)


CLEAR = Image.merge("LA", [picture(), picture()])
DEEP = Image.fromarray(GREY.astype(np.uint16) * 16)
NO_IMAGE = "is no PNG, JPEG, MPO, WebP, BMP, TIFF or GIF file"
ANOTHER_SIZE = "has another size"

CASES = [
    *(
        Case(f"{kind}, whatever its name", f"x.{ending}", save(picture(), kind, **options), "read")
        for kind, ending, options in (
            ("PNG", "PNG", {}),
            ("JPEG", "png", {}),
            ("WebP", "jpg", {"lossless": True}),
            ("BMP", "bmp", {}),
            ("TIFF", "tif", {}),
            ("GIF", "gif", {}),
        )
    ),
    Case(
        "MPO of a telephone: the first picture",
        "x.jpg",
        save(picture(), "MPO", save_all=True, append_images=[picture(size=(2, 2))]),
        "read",
    ),
    Case(
        "black and white; a palette; grey in three channels",
        "x.png",
        save(picture("P"), "PNG"),
        "read",
    ),
    Case(
        "a colour profile, of any size",
        "x.png",
        save(picture(), "PNG", icc_profile=os.urandom(2**21)),
        "read",
    ),
    Case(
        "colour, where `data.channels` is 1",
        "x.png",
        save(Image.new("RGB", (5, 4), "red"), "PNG"),
        "is in colour",
    ),
    Case("transparent in places", "x.png", save(CLEAR, "PNG"), "is transparent in places"),
    Case(
        "transparent in places", "x.png", save(CLEAR, "PNG"), "read", options={"background": [255]}
    ),
    Case("grey in 16 bits", "x.png", save(DEEP, "PNG"), "has 16 bits per channel"),
    Case("grey in 16 bits", "x.tif", save(DEEP, "TIFF"), "read", options={"white": 4095}),
    Case(
        "grey in 16 bits, brighter than `white`",
        "x.png",
        save(DEEP, "PNG"),
        "is brighter than ingest.white",
        options={"white": 255},
    ),
    Case(
        "the inks of a printer",
        "x.jpg",
        save(picture("CMYK"), "JPEG"),
        "has pixels of the kind CMYK",
    ),
    Case("fractions", "x.tif", save(picture("F"), "TIFF"), "has pixels of the kind F in 32 bits"),
    Case(
        "several frames or pages",
        "x.gif",
        save(picture(), "GIF", save_all=True, append_images=[picture().rotate(180)]),
        "holds more than one frame",
    ),
    Case("another size", "x.png", save(picture(size=(9, 9)), "PNG"), ANOTHER_SIZE),
    *(
        Case("another size", "x.png", save(picture(size=(9, 9)), "PNG"), "read", options=options)
        for options in ({"size": "stretch"}, {"size": "crop"}, {"size": "fit", "background": [0]})
    ),
    Case("cut off, or damaged", "x.png", cut(picture()), "is damaged"),
    Case(
        "more than 16,777,216 pixels",
        "x.gif",
        save(Image.new("1", (5000, 5000)), "GIF"),
        "has more than 16,777,216 pixels",
    ),
    Case(
        "larger than 64 MiB",
        "x.png",
        write_large,
        "is larger than 67,108,864 bytes",
    ),
    Case("HEIC, AVIF", "x.jpg", write(b"\0\0\0\x18ftypheic"), f"{NO_IMAGE}, but HEIC or AVIF"),
    Case("a text, or anything else", "x.png", write(b"all of them are cats"), NO_IMAGE),
    Case("a link to a file", "x.png", link_to_file, "read", predict="is a link"),
    Case("a link to a folder", "x", link_to_folder, "is a link to a folder", predict="is a link"),
    Case("a pipe, a socket, a device", "x.png", os.mkfifo, "is no regular file"),
    Case(
        "a name that isn't in UTF-8",
        os.fsdecode(b"\xff.png"),
        lambda path: picture().save(path, "PNG"),
        "read",
        predict="has a name that isn't in UTF-8",
    ),
    Case(
        "a hidden file or folder (`.DS_Store`, `._x.png`, `.ipynb_checkpoints`)",
        "._x.png",
        write(b"\0\5\x16\7"),
        "left aside: hidden",
    ),
    Case(
        "what systems and programs leave (`Thumbs.db`, `desktop.ini`, `__MACOSX`, `x.part`)",
        "Thumbs.db",
        write(b"\xd0\xcf"),
        "left aside: of a system or a program",
    ),
    Case("an empty file", "x.png", Path.touch, "left aside: empty"),
    Case(
        "a table (`.csv`, `.tsv`, `.jsonl`, `.parquet`), and what `predict` writes",
        "x.csv",
        write(b'"image","label"\n'),
        "left aside: a table",
    ),
]


def render_table() -> str:
    """The rows of all cases."""
    return "\n".join(
        ["| a file | with | is |", "|---|---|---|", *(case.render() for case in CASES)]
    )


if __name__ == "__main__":
    fill(PAGE, MARK, render_table())
