"""Takes the README's pictures of the report that lies in reports/report.html.

    python -m docs.gallery

needs Chromium. The pictures go into docs/pictures, each under 200 KB.
"""

import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from playwright.sync_api import Browser

from tasks.core import paths
from tests.browser import browsing

FOLDER = Path("docs/pictures")
_MAX_BYTES = 200_000
_MARGIN = 24  # pixels under what is shown
_TALLEST = 760  # pixels; of a longer section, its beginning is shown


@dataclass(frozen=True)
class Picture:
    """One picture: what of the page, how wide, on which ground.

    Attributes:
        name: of the file.
        element: a CSS selector; None takes what the window shows.
        width: of the window, in pixels.
        scheme: light or dark.

    """

    name: str
    element: str | None
    width: int
    scheme: Literal["light", "dark"]


PICTURES = (
    Picture("verdict", "header", 1100, "light"),
    Picture("confusion", "#confusion", 1100, "light"),
    Picture("labels", "#labels", 1100, "dark"),
    Picture("phone", None, 390, "dark"),
)


def take(browser: Browser, picture: Picture, address: str) -> bytes:
    """The picture as PNG, as small as can be without a loss."""
    page = browser.new_page(
        viewport={"width": picture.width, "height": 844}, color_scheme=picture.scheme
    )
    page.goto(address)
    if picture.element:
        box = page.locator(picture.element).bounding_box()
        assert box is not None
        clip: Any = {
            "x": 0,
            "y": box["y"],
            "width": picture.width,
            "height": min(box["height"] + _MARGIN, _TALLEST),
        }
        shot = page.screenshot(full_page=True, clip=clip)
    else:
        shot = page.screenshot()
    page.close()
    output = io.BytesIO()
    Image.open(io.BytesIO(shot)).convert("RGB").save(output, "PNG", optimize=True)
    return output.getvalue()


def main() -> None:
    """Takes every picture."""
    if not paths.REPORT_PAGE.is_file():
        sys.exit(f"There is no {paths.REPORT_PAGE}. Make it: dvc repro")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with browsing() as browser:
        for picture in PICTURES:
            content = take(browser, picture, paths.REPORT_PAGE.resolve().as_uri())
            if len(content) > _MAX_BYTES:
                sys.exit(f"{picture.name} takes {len(content):,} bytes; at most {_MAX_BYTES:,}")
            (FOLDER / f"{picture.name}.png").write_bytes(content)
            print(f"{FOLDER / picture.name}.png {len(content):,} bytes")
        browser.close()


if __name__ == "__main__":
    main()
