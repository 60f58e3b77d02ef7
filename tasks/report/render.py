"""Turns what was found into the page and the text. What comes from outside never becomes markup."""

import html
import json
import re
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from tasks.page.render import make_environment
from tasks.report.inputs import Inputs
from tasks.report.sections import SECTIONS
from tasks.runner.stage import STALE_SLOT

_NO_BREAK = "\u00a0"

Found = Mapping[str, Mapping[str, Any]]


def render_page(inputs: Inputs, found: Found) -> str:
    """The report as one HTML file, every value escaped, from what each section has found."""
    environment = _make_environment(inputs)
    answers = inputs.predictions[["label", "predicted", "confidence"]].to_dict(orient="records")
    environment.globals["answers"] = answers
    return environment.get_template("page.html.j2").render(
        sections=[(section, found[section.name]) for section in SECTIONS],
        stale_slot=Markup(STALE_SLOT),  # noqa: S704 - a constant
    )


def render_markdown(inputs: Inputs, found: Found) -> str:
    """The report in short as Markdown, for Git and for Prefect; every value escaped."""
    environment = _make_environment(inputs).overlay(autoescape=False, finalize=escape_markdown)
    return environment.get_template("report.md.j2").render(pairs=found["pairs"]["pairs"])


def _make_environment(inputs: Inputs) -> Environment:
    """Templates that see the inputs, by names of their own, and write figures by filters."""
    environment = make_environment("tasks.report", inputs.splits, classes=inputs.data.classes)
    environment.globals |= {
        "inputs": inputs,
        "data": inputs.data,
        "names": inputs.data.classes,
        "metrics": inputs.metrics,
        "baseline": inputs.baseline,
        "comparison": inputs.comparison,
        "change": inputs.comparison.overall if inputs.comparison else None,
        "validation": inputs.validation,
        "failed": [each for each in inputs.validation["findings"] if not each["success"]],
        "card": inputs.card,
        "interval": f"{100 * inputs.metrics.interval_confidence:g}%",
    }
    environment.filters |= {
        "percent": format_percent,
        "points": format_points,
        "number": "{:,}".format,
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
