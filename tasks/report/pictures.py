"""Pictures as text that stands in the page: SVG for drawings, PNG data for images."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure
from PIL import Image

_STYLE: Any = {"svg.hashsalt": "report", "font.family": "DejaVu Sans", "font.size": 9}


def draw_curves(history: pd.DataFrame, *, chosen_epoch: int) -> Markup:
    """Loss and accuracy per epoch, with the chosen epoch marked."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8, 2.8), layout="constrained")
        for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
            axes.plot(history["epoch"], history[name], color="#0072b2", label="training")
            axes.plot(history["epoch"], history[f"val_{name}"], color="#d55e00", label="validation")
            axes.axvline(chosen_epoch, color="#888888", linestyle=":", label="chosen epoch")
            axes.set(title=name, xlabel="epoch")
            axes.legend(frameon=False)
        return _as_svg(figure)


def draw_confusion(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> Markup:
    """The confusion matrix: rows are the actual classes, shares of each row as colour."""
    counts = np.array(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8, 6.4), layout="constrained")
        axes = figure.subplots()
        axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
        axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
        axes.set_yticks(range(len(classes)), classes)
        axes.set(xlabel="predicted", ylabel="actual")
        for (row, column), count in np.ndenumerate(counts):
            color = "black" if shares[row, column] > 0.5 else "white"
            axes.text(column, row, str(count), ha="center", va="center", color=color)
        return _as_svg(figure)


def draw_image(image: np.ndarray) -> str:
    """A data address of an image, (height, width, channels) uint8."""
    pixels = image[..., 0] if image.shape[-1] == 1 else image
    output = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(output, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(output.getvalue()).decode()


def _as_svg(figure: Figure) -> Markup:
    output = io.StringIO()
    figure.savefig(output, format="svg", metadata={"Date": None, "Creator": None})
    drawing = output.getvalue()
    # matplotlib escapes the texts that it draws, so the drawing is safe as markup.
    return Markup(drawing[drawing.index("<svg") :])  # noqa: S704
