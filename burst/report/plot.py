"""Plots of the page as records, which `svg` draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

# Variables of the page's style sheet, which knows light and dark.
INK, MUTED, GRID, ACCENT = (f"var(--{name})" for name in ("ink", "muted", "grid", "accent"))

Limits = tuple[float | None, float | None]


@dataclass(frozen=True, eq=False)
class Line:
    """A line through points [k], interrupted at NaN; infinite coordinates reach the border."""

    x: ArrayLike
    y: ArrayLike
    color: str = ACCENT
    label: str = ""
    width: float = 1.4
    dash: str = ""  # lengths of strokes and gaps, px
    opacity: float = 1.0


@dataclass(frozen=True, eq=False)
class Points:
    """Points [k], filled or not."""

    x: ArrayLike
    y: ArrayLike
    color: str = ACCENT
    label: str = ""
    filled: bool = True


@dataclass(frozen=True, eq=False)
class Area:
    """The inside of a polygon with corners [k]; infinite coordinates reach the border."""

    x: ArrayLike
    y: ArrayLike
    color: str = ACCENT
    opacity: float = 1.0


@dataclass(frozen=True, eq=False)
class Map:
    """A map [y, x] of values from 0 to `top` between x = (left, right) and y = (top, bottom)."""

    values: np.ndarray
    top: float
    x: ArrayLike
    y: ArrayLike


@dataclass(frozen=True, eq=False)
class Text:
    """A word above a point."""

    x: float
    y: float
    text: str


Mark = Line | Points | Area | Map | Text


@dataclass(frozen=True, eq=False)
class Plot:
    """Marks in a common frame. Limits that are None are those of the marks; without a name of `x`
    there are no ticks across. `square` units are as long across as down; `share` of the width."""

    marks: Sequence[Mark]
    x: str = ""
    y: str = ""
    title: str = ""
    x_limits: Limits = (None, None)
    y_limits: Limits = (None, None)
    square: bool = False
    share: float = 1.0


@dataclass(frozen=True)
class Drawing:
    """Plots side by side with a title, a caption, and a text for readers who cannot see them."""

    name: str
    title: str
    caption: str
    alt: str
    plots: tuple[Plot, ...]


def horizontal(y: float, color: str = MUTED, width: float = 0.8) -> Line:
    """Return a line across the whole plot."""
    return Line((-math.inf, math.inf), (y, y), color, width=width)


def vertical(x: float, color: str = ACCENT, width: float = 1.4, dash: str = "") -> Line:
    """Return a line down the whole plot."""
    return Line((x, x), (-math.inf, math.inf), color, width=width, dash=dash)


def arrows(x: np.ndarray, y: np.ndarray, step: np.ndarray) -> Line:
    """Return arrows from points x, y [k] by steps [2, k], as one line."""
    along, aside = step, np.stack([-step[1], step[0]])
    heads = [along, 0.65 * along + 0.2 * aside, along, 0.65 * along - 0.2 * aside]
    path = np.stack([0 * along, *heads, math.nan * along], axis=-1) + np.stack([x, y])[..., None]
    return Line(path[0].ravel(), path[1].ravel(), INK, width=0.8)
