"""Drawings as SVG that stands in the page.

They have no background and take their colours from the page's style sheet, light or dark.
"""

import functools
import io
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.stats import binomtest

# Drawn in these colours, then replaced by the style sheet's names for them.
_NAMES = {
    "#0000f1": "currentColor",
    "#0000f2": "var(--line)",
    "#0000f3": "var(--paper)",
    "#0000f4": "var(--blue)",
    "#0000f5": "var(--orange)",
}
_INK, _, _PAPER, _BLUE, _ORANGE = _NAMES
RIGHT, WRONG = (0, 114, 178), (213, 94, 0)  # told apart by the colour-blind: Okabe and Ito
_STYLE = Path(__file__).with_name("drawings.mplstyle")
_ABOVE: Any = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderpad": 0, "ncols": 2}
_MAX_NAME = 22  # letters of a class's name beside a drawing
_MAX_NUMBERED = 16  # classes up to which the cells of the confusion matrix hold numbers
_ROOM_FOR_NUMBERS = 330  # points, in a row of cells, at one point of width a letter
STRONGEST = 0.75  # of a cell's colour, so that what stands in it can be read in light and in dark
_MAX_NAMED = 40  # classes up to which each has its name beside the drawing


def _drawing(height: float) -> Callable[[Callable[..., None]], Callable[..., Markup]]:
    """Makes a function that draws on axes one that returns the drawing, so many inches high."""

    def decorate(draw: Callable[..., None]) -> Callable[..., Markup]:
        @functools.wraps(draw)
        def drawn(*arguments: Any, **options: Any) -> Markup:
            # The salt keeps the names inside a drawing apart from those of others.
            salt: Any = {"svg.hashsalt": f"{draw.__name__} {options}"}
            with matplotlib.style.context([_STYLE, salt]), warnings.catch_warnings():
                # The page's own font shows the letters that matplotlib can only measure.
                warnings.filterwarnings("ignore", "Glyph .* missing from font")
                figure = Figure(figsize=(4.8, height), layout="constrained")
                draw(figure.subplots(), *arguments, **options)
                return _as_svg(figure)

        return drawn

    return decorate


@_drawing(height=3.0)
def draw_curve(axes: Axes, history: pd.DataFrame, *, name: str, chosen_epoch: int) -> None:
    """A value per epoch on the training and the validation split, the chosen epoch marked."""
    axes.axvline(chosen_epoch, color=_INK, linestyle=":", linewidth=1)
    for column, label, color, marker in (
        (name, "training", _BLUE, "o"),
        (f"val_{name}", "validation", _ORANGE, "s"),
    ):
        line: Any = {"color": color, "linewidth": 1.8, "marker": marker, "markersize": 3}
        axes.plot(history["epoch"], history[column], label=label, clip_on=False, **line)
    chosen = history[history["epoch"] == chosen_epoch].iloc[0]
    value = float(chosen[f"val_{name}"])
    is_above = value > chosen[name]
    ring: Any = {"marker": "o", "markersize": 9, "color": _INK, "fillstyle": "none"}
    axes.plot([chosen_epoch], [value], clip_on=False, **ring)
    axes.annotate(
        f"epoch {chosen_epoch}: " + (f"{value:.1%}" if name == "accuracy" else f"{value:.3f}"),
        (chosen_epoch, value),
        xytext=(0, 10 if is_above else -10),
        textcoords="offset points",
        ha="right" if chosen_epoch > len(history) / 2 else "left",
        va="bottom" if is_above else "top",
        bbox={"facecolor": _PAPER, "edgecolor": "none", "pad": 1, "alpha": 0.85},
    )
    axes.legend(labelcolor="linecolor", **_ABOVE)
    axes.set(xlabel="epoch")
    axes.margins(x=0.02, y=0.18)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    if name == "accuracy":
        axes.yaxis.set_major_formatter(ticker.PercentFormatter(1))


@_drawing(height=4.8)
def draw_confusion(
    axes: Axes,
    matrix: Sequence[Sequence[int]],
    classes: Sequence[str],
    *,
    shares: bool,
    linked: Sequence[tuple[int, int]],
) -> None:
    """The confusion matrix as a heat map: rows are the true classes.

    What is right is blue, what is wrong orange, as strong as the share of its row; the wrong by its
    root, so that a few percent can be seen. The cells say percent of their row if `shares`, else
    how many images there are; the `linked` ones lead to `#cell-ROW-COLUMN`.
    """
    counts = np.array(matrix)
    parts_of_row = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    right = np.eye(len(counts), dtype=bool)
    colors = np.empty((*counts.shape, 4))
    colors[..., :3] = np.where(right[..., None], RIGHT, WRONG) / np.array(255)
    colors[..., 3] = STRONGEST * np.where(right, parts_of_row, np.sqrt(parts_of_row))
    axes.imshow(colors, interpolation="none")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    edges = np.arange(len(counts) + 1) - 0.5
    axes.set_xticks(edges, minor=True)
    axes.set_yticks(edges, minor=True)
    axes.tick_params(which="minor", length=0)
    if len(counts) <= _MAX_NAMED:
        axes.grid(visible=True, which="minor", linewidth=0.5)
    named = range(0, len(counts), -(-len(counts) // _MAX_NAMED))
    names = [_shorten(classes[label]) for label in named]
    has_numbers = len(counts) <= _MAX_NUMBERED
    axes.set_xticks(named, names, rotation=90, fontsize=9 if has_numbers else 6)
    axes.set_yticks(named, names, fontsize=9 if has_numbers else 6)
    axes.set(xlabel="the model says", ylabel="the label says")
    longest = 3 if shares else len(str(counts.max()))
    middle: Any = {"ha": "center", "va": "center"}
    for row, column in np.argwhere(counts) if has_numbers else ():
        share, count = parts_of_row[row, column], counts[row, column]
        size = min(9, _ROOM_FOR_NUMBERS / len(counts) / longest)
        axes.text(column, row, _percent(share) if shares else str(count), fontsize=size, **middle)
    for row, column in linked:
        link = f"#cell-{row}-{column}"
        style: Any = {"fill": False, "linewidth": 0, "zorder": 9}  # above the numbers
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, url=link, **style))


@_drawing(height=3.6)
def draw_reliability(
    axes: Axes, bins: pd.DataFrame, before: pd.DataFrame, *, confidence: float
) -> None:
    """How often the model is right, for how sure it is; a true statement lies on the diagonal.

    `before` are the bins without the model's temperature, `confidence` is that of the interval
    around the accuracy of each bin.
    """
    axes.plot([0, 1], [0, 1], color=_INK, linestyle=":", linewidth=1)
    width = (bins["upper"] - bins["lower"]) * 0.9
    axes.bar(bins["lower"], bins["accuracy"], width=width, align="edge", color=_BLUE, label="model")
    right = np.rint(bins["accuracy"] * bins["images"]).astype(int)
    intervals = [
        binomtest(count, total).proportion_ci(confidence, method="wilson")
        for count, total in zip(right.tolist(), bins["images"].tolist(), strict=True)
    ]
    middles = (bins["lower"] + bins["upper"]) / 2
    axes.vlines(middles, *np.transpose(intervals), color=_INK, linewidth=1)
    line: Any = {"color": _ORANGE, "linewidth": 1.4, "marker": "s", "markersize": 3.5}
    label = "without its temperature"
    axes.plot((before["lower"] + before["upper"]) / 2, before["accuracy"], label=label, **line)
    axes.legend(labelcolor=_INK, **_ABOVE)
    axes.set(xlim=(0, 1), xlabel="how sure the model is")
    axes.set(ylim=(0, 1.02), ylabel="share that is right")
    axes.xaxis.set_major_formatter(ticker.PercentFormatter(1))
    axes.yaxis.set_major_formatter(ticker.PercentFormatter(1))


@_drawing(height=3.6)
def draw_confidences(axes: Axes, predictions: pd.DataFrame, *, num_bins: int) -> None:
    """How many images are answered with which confidence, right and wrong ones."""
    right = predictions["label"] == predictions["predicted"]
    axes.hist(
        [predictions["confidence"][right], predictions["confidence"][~right]],
        bins=np.linspace(0, 1, num_bins + 1).tolist(),
        color=[_BLUE, _ORANGE],
        label=["right", "wrong"],
        log=True,
    )
    axes.legend(loc="upper left", labelcolor=_INK)
    axes.set(xlim=(0, 1), xlabel="how sure the model is", ylabel="images")
    axes.xaxis.set_major_formatter(ticker.PercentFormatter(1))
    axes.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))


def _as_svg(figure: Figure) -> Markup:
    output = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(output, format="svg", transparent=True, metadata=nothing)
    drawing = output.getvalue()
    drawing = re.sub(r'<g id="[^"]*">', "<g>", drawing[drawing.index("<svg") :])
    drawing = re.sub(
        r"(stroke|fill): (#0000f\d)", lambda found: f"{found[1]}: {_NAMES[found[2]]}", drawing
    )
    # The list of the cells below the drawing is for the keyboard.
    link = r'<a xlink:href="([^"]*)" target="_blank">'
    drawing = re.sub(link, r'<a tabindex="-1" href="\1">', drawing)
    # matplotlib escapes the texts that it draws, so the drawing is safe as markup.
    return Markup(drawing)  # noqa: S704


def _shorten(name: str) -> str:
    return name if len(name) <= _MAX_NAME else name[: _MAX_NAME - 1] + "…"


def _percent(share: float) -> str:
    """Percent without its sign, one decimal below one: 0.004 → 0.4."""
    return f"{100 * share:.0f}" if share >= 0.00995 else f"{100 * share:.1f}"
