"""The page in a real browser: silent, offline, readable on a phone, whole on paper."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tasks.core import paths
from tasks.report.pictures import RIGHT, STRONGEST, WRONG
from tests.browser import browsing, needs_chromium
from tests.tasks.report.conftest import MakeReport, made_up_splits
from tests.tasks.report.test_page import SECTIONS

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as browser:
        yield browser


@pytest.fixture
def report(make_report: MakeReport) -> Path:
    make_report(baseline_seed=2)
    return paths.REPORT_PAGE.resolve()


def open_page(browser: Browser, report: Path, **options) -> tuple[Page, list[str]]:
    """Opens the page; what the console says and whatever it asks the network for is collected."""
    page = browser.new_page(**options)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None
            if request.url == report.as_uri() or request.url.startswith("data:")
            else complaints.append(request.url)
        ),
    )
    page.goto(report.as_uri())
    return page, complaints


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_no_complaint_no_request_and_every_section_is_seen(
    browser: Browser, report: Path, width: int, scheme
) -> None:
    page, complaints = open_page(
        browser, report, viewport={"width": width, "height": 844}, color_scheme=scheme
    )
    assert [section.get_attribute("id") for section in page.locator("section").all()] == SECTIONS
    for name in SECTIONS:
        assert page.locator(f"section#{name} h2").is_visible()
    assert complaints == []
    page.close()


@pytest.mark.parametrize("num_classes", [10, 100])
def test_a_phone_does_not_scroll_sideways(
    browser: Browser, make_report: MakeReport, num_classes: int
) -> None:
    make_report(
        splits=made_up_splits(num_classes=num_classes, shape=(28, 28, 1), num_test=300),
        classes=[f"{'long_name_' * 4}{number}" for number in range(num_classes)],
        baseline_seed=2,
    )
    page, _ = open_page(
        browser, paths.REPORT_PAGE.resolve(), viewport={"width": 390, "height": 844}
    )
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.close()


def test_text_stands_out_from_its_ground_in_light_and_in_dark(
    browser: Browser, report: Path
) -> None:
    """At least 4.5 to 1, as WCAG 2 asks, for every colour of text on page and card, and on the
    strongest cells of the confusion matrix."""
    for scheme in ("light", "dark"):
        page, _ = open_page(browser, report, color_scheme=scheme)
        for ground in ("--paper", "--card"):
            for ink in ("--ink", "--muted", "--blue", "--orange"):
                assert contrast(colour(page, ink), colour(page, ground)) >= 4.5, (scheme, ink)
            for ink in (RIGHT, WRONG):
                cell = blend(ink, colour(page, ground), strength=STRONGEST)
                assert contrast(colour(page, "--ink"), cell) >= 4.5, scheme
        assert contrast(colour(page, "--alarm"), (255, 255, 255)) >= 4.5
        page.close()


def colour(page: Page, name: str) -> tuple[int, ...]:
    value = page.evaluate(
        f"getComputedStyle(document.documentElement).getPropertyValue('{name}').trim()"
    )
    return tuple(bytes.fromhex(value.removeprefix("#")))


def contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def blend(over: tuple[int, ...], under: tuple[int, ...], *, strength: float) -> tuple[int, ...]:
    return tuple(
        round(strength * one + (1 - strength) * other)
        for one, other in zip(over, under, strict=True)
    )


def luminance(rgb: tuple[int, ...]) -> float:
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (part / 255 for part in rgb)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_keyboard_reaches_the_sections(browser: Browser, report: Path) -> None:
    page, _ = open_page(browser, report, viewport={"width": 1280, "height": 844})
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#change"
    page.close()


def test_a_click_on_a_cell_of_the_confusion_matrix_leads_to_its_images(
    browser: Browser, report: Path
) -> None:
    """Also where a number stands in it."""
    page, _ = open_page(browser, report, viewport={"width": 1280, "height": 844})
    link = page.locator("#confusion svg a").nth(3)
    anchor = link.get_attribute("href")
    link.click()
    page.wait_for_url(f"**{anchor}")
    assert page.locator(f"{anchor}:target img").is_visible()
    page.close()


@pytest.mark.parametrize("width", [390, 1440])
def test_a_name_of_a_class_below_an_image_is_not_broken_after_its_hyphen(
    browser: Browser, report: Path, width: int
) -> None:
    page, _ = open_page(browser, report, viewport={"width": width, "height": 844})
    names = page.locator(".gallery .name", has_text="T-shirt/top")
    heights = names.evaluate_all(
        "names => names.map(name => name.offsetHeight / parseFloat("
        "getComputedStyle(name).lineHeight))"
    )
    assert heights
    assert max(heights) < 1.5
    page.close()


def test_on_paper_what_was_folded_is_there(browser: Browser, report: Path) -> None:
    page, _ = open_page(browser, report, color_scheme="dark")
    page.emulate_media(media="print")
    assert page.locator("details pre").is_visible()
    assert page.locator("nav").is_hidden()
    assert colour(page, "--paper") == (255, 255, 255)
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.close()
