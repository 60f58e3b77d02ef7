"""A real browser, for tests of pages."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(
    _CHROMIUM is None and "CI" not in os.environ,
    reason="there is no Chromium on this machine (Debian: apt install chromium)",
)


@contextmanager
def browsing() -> Iterator[Browser]:
    """Chromium, until the block ends."""
    assert _CHROMIUM, "Chromium isn't installed. On Debian: apt install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
