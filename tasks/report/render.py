"""Turns what was found into the page and the text. What comes from outside never becomes markup."""

import html
import json
import re
from collections.abc import Mapping
from typing import Any

import pandas as pd
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tasks.core.dataset import ImageSplit
from tasks.page.images import name_label, show_images
from tasks.runner.stage import STALE_SLOT

_OPTIONS: Any = {
    "loader": ChoiceLoader([PackageLoader("tasks.report"), PackageLoader("tasks.page")]),
    "undefined": StrictUndefined,
    "trim_blocks": True,
    "lstrip_blocks": True,
}

_NO_BREAK = "\u00a0"


def render_page(
    content: Mapping[str, Any], predictions: pd.DataFrame, splits: Mapping[str, ImageSplit]
) -> str:
    """The report as one HTML file, every value escaped.

    Args:
        content: what the templates name.
        predictions: of the test images, as evaluate wrote them.
        splits: "train" and "test", from which single images are shown.

    """
    environment = _with_filters(Environment(autoescape=True, **_OPTIONS))
    answers = predictions[["label", "predicted", "confidence"]]

    def show(split: str, position: int) -> str:
        return show_images(splits[split].images[[position]])

    def answer(position: int) -> dict[str, Any]:
        return {str(name): value for name, value in answers.iloc[position].items()}

    def name(split: str, position: int) -> str:
        return name_label(splits[split].labels, position, classes=content["data"].classes)

    return environment.get_template("page.html.j2").render(
        **content,
        show=show,
        answer_to=answer,
        name_label=name,
        stale_slot=Markup(STALE_SLOT),  # noqa: S704 - a constant
    )


def render_markdown(content: Mapping[str, Any]) -> str:
    """The report in short as Markdown, for Git and for Prefect; every value escaped."""
    environment = _with_filters(
        Environment(autoescape=False, finalize=escape_markdown, **_OPTIONS)  # noqa: S701 - no HTML
    )
    return environment.get_template("report.md.j2").render(**content)


def _with_filters(environment: Environment) -> Environment:
    environment.filters |= {
        "percent": format_percent,
        "points": format_points,
        "number": format_number,
        "chance": format_chance,
        "p_value": format_p_value,
        "setting": format_setting,
    }
    return environment


def escape_markdown(value: object) -> str:
    """Makes a value stand for itself in Markdown, in a table too."""
    plain = " ".join(html.escape(str(value), quote=False).split())
    return re.sub(r"([\\`*_\[\]{}|#~$!])", r"\\\1", plain)


def format_percent(share: float, digits: int = 1) -> str:
    """0.8798 → 88.0%; never rounds what isn't all or nothing to 100% or 0%."""
    text = f"{100 * share:.{digits}f}"
    if share < 1 and float(text) == 100:
        return f">{100 - 10**-digits:.{digits}f}%"
    if share > 0 and float(text) == 0:
        return f"<{10**-digits:.{digits}f}%"
    return f"{text}%"


def format_points(difference: float) -> str:
    """A difference of shares in percentage points, with its sign: 0.0052 → +0.52."""
    text = f"{100 * difference:+.2f}"
    return "±0.00" if float(text) == 0 else text.replace("-", "−")


def format_number(value: float) -> str:
    """A count with separators: 60000 → 60,000."""
    return f"{value:,}"


def format_p_value(p_value: float) -> str:
    """A p-value to two digits, none below a thousandth: 0.03, < 0.001."""
    return f"<{_NO_BREAK}0.001" if p_value < 0.001 else f"{p_value:.2g}"


def format_chance(p_value: float) -> str:
    """A p-value as it stands in a sentence, never broken over two lines: p = 0.03, p < 0.001."""
    value = format_p_value(p_value)
    sign = "" if value.startswith("<") else f"={_NO_BREAK}"
    return f"p{_NO_BREAK}{sign}{value}"


def format_setting(value: object) -> str:
    """A parameter as it stands in params.yaml: True → true, None → null."""
    return str(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
