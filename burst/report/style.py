"""The style of all plots of the report, and their conversion to SVG for the page."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType

# Each colour stands for a variable of the page's style sheet, which knows light and dark.
INK, MUTED, GRID, ACCENT = "#1d2125", "#70757a", "#dedcd6", "#0b7f88"
VARIABLES = {INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--grid)", ACCENT: "var(--accent)"}

WIDTH, HEIGHT = 5.4, 2.7  # inches at 72 px

STYLE: dict[RcKeyType, Any] = {
    "svg.fonttype": "none",  # text stays text: it takes the page's font and can be searched
    "svg.hashsalt": "burst",  # the same plot gives the same bytes
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.xmargin": 0.02,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "ytick.major.size": 0,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "legend.borderaxespad": 0.2,
    "figure.facecolor": "none",
    "figure.figsize": (WIDTH, HEIGHT),
    "figure.autolayout": True,
    "image.interpolation": "none",
}


@dataclass(frozen=True)
class Drawing:
    """A plot with a title, a caption, and a text for readers who cannot see it."""

    name: str
    title: str
    caption: str
    alt: str
    figure: Figure


def new_axes(widths: Sequence[float] = (1.0,)) -> tuple[Figure, list[Axes]]:
    """Return a figure with one axes per relative width, side by side."""
    figure = Figure()
    grid = figure.add_gridspec(1, len(widths), width_ratios=widths)
    return figure, [figure.add_subplot(grid[0, i]) for i in range(len(widths))]


def new_maps() -> tuple[Figure, list[Axes]]:
    """Return a figure with room for two maps side by side, equally large with a scale beside one.
    Its layout takes twice as long as that of `new_axes`."""
    figure, axes = new_axes((1, 1))
    figure.set_layout_engine("constrained")
    return figure, axes


def accent_map() -> Colormap:
    """Return a colour map from nothing to the accent: it lies well on a light and a dark page."""
    red, green, blue = to_rgb(ACCENT)
    return LinearSegmentedColormap.from_list(
        "accent", [(red, green, blue, 0.0), (red, green, blue, 1.0)], N=64
    )


def to_svg(drawing: Drawing) -> str:
    """Return the plot as SVG to be put into a page: no prologue, own ids, colours by variable."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    drawing.figure.savefig(buffer, format="svg", metadata=nothing)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    head, body = svg.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', head)
    body = re.sub(r'(\sid="|href="#|url\(#)', rf"\g<1>{drawing.name}-", body)
    for colour, variable in VARIABLES.items():
        body = body.replace(colour, variable)
    label = html.escape(drawing.alt)
    return f'<svg {box.group() if box else ""} role="img" aria-label="{label}">{body}'


def series(numbers: Mapping[str, Any], *keys: str) -> list[np.ndarray] | None:
    """Return lists as arrays of one length, NaN where unknown; None if one is missing."""
    found = [numbers.get(key) for key in keys]
    if not all(found):
        return None
    arrays = [np.asarray(values, float) for values in found]
    usable = all(a.shape == arrays[0].shape and np.isfinite(a).any() for a in arrays)
    return arrays if usable else None
