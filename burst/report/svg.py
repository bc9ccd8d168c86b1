"""The SVG of plots, for the page.

matplotlib would take two seconds for the plots of a run, half of them to be imported.
"""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import ArrayLike

from burst.report.plot import (
    GRID,
    MUTED,
    Area,
    Drawing,
    Limits,
    Line,
    Map,
    Mark,
    Plot,
    Points,
    Text,
)
from burst.report.words import SUPERSCRIPTS

WIDTH, HEIGHT = 389.0, 194.0  # px
FONT, LETTER = 10, 6.0  # px; px, the usual width of a letter
TICK_GAP, LINE, MARGIN = 6.0, 14.0, 8.0  # px: beside the ticks' labels, a line of text, a border
AIR = 0.02, 0.05  # share of the range that is left empty at either end, across and down
ACCENT_RGB = 11, 127, 136  # of maps, which are pictures; from nothing to it they lie well on both


def to_svg(drawing: Drawing) -> str:
    """Return a drawing as SVG to be put into a page."""
    total, left, parts = sum(plot.share for plot in drawing.plots), 0.0, []
    for plot in drawing.plots:
        width = WIDTH * plot.share / total
        parts.append(_drawn(plot, left, width))
        left += width
    head = f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" font-size="{FONT}" role="img"'
    return f'{head} aria-label="{html.escape(drawing.alt)}">{"".join(parts)}</svg>'


@dataclass(frozen=True)
class _Axis:
    """A range of values, its ticks with their labels, and where its ends lie in px. Labels are
    divided by a power of ten."""

    low: float
    high: float
    ticks: np.ndarray
    labels: list[str]
    power: int
    first: float = 0.0
    last: float = 1.0

    @property
    def length(self) -> float:
        """The length of the range."""
        return abs(self.high - self.low)

    @property
    def room(self) -> float:
        """The room beside the axis that its labels take, px."""
        return TICK_GAP + LETTER * max(map(len, self.labels), default=0)

    def place(self, values: ArrayLike) -> np.ndarray:
        """Return where values lie, px; outside of the range on its border."""
        share = (np.asarray(values, float) - self.low) / (self.high - self.low)
        return np.asarray(self.first + np.clip(share, 0, 1) * (self.last - self.first))

    def name(self, text: str) -> str:
        """Return the name of the axis with the power of ten."""
        return f"{text} (10{str(self.power).translate(SUPERSCRIPTS)})" if self.power else text


def _axis(values: Sequence[ArrayLike], limits: Limits, air: float, most: float) -> _Axis:
    """Return the axis of values, with at most so many ticks."""
    known = np.concatenate([np.ravel(np.asarray(part, float)) for part in values])
    known = known[np.isfinite(known)] if np.isfinite(known).any() else np.zeros(1)
    low = float(known.min()) if limits[0] is None else limits[0]
    high = float(known.max()) if limits[1] is None else limits[1]
    if low == high:
        low, high = low - 0.5, high + 0.5
    room = air * (high - low)
    low, high = low - room * (limits[0] is None), high + room * (limits[1] is None)
    least = abs(high - low) / max(most, 1.0)
    unit = 10.0 ** math.floor(math.log10(least))
    step = next(f * unit for f in (1, 2, 5, 10) if f * unit >= least * (1 - 1e-9))
    begin, end = sorted((low, high))
    ticks = np.arange(math.ceil(begin / step - 1e-6), math.floor(end / step + 1e-6) + 1) * step
    largest = float(np.abs(ticks).max(initial=0.0))
    power = 0 if largest == 0 or 1e-2 <= largest < 1e5 else math.floor(math.log10(largest))
    labels = [f"{round(tick / 10.0**power, 6) + 0.0:g}" for tick in ticks]
    return _Axis(low, high, ticks, labels, power)


def _drawn(plot: Plot, left: float, width: float) -> str:
    """Return the SVG of one plot in its part of the drawing."""
    air = (0.0, 0.0) if plot.square else AIR
    legend, lines = _legend(plot, left + MARGIN, width - MARGIN)
    top = MARGIN + LINE * (lines + bool(plot.title))
    bottom = HEIGHT - MARGIN - (2 * LINE if plot.x else 0)
    down = _axis([mark.y for mark in plot.marks], plot.y_limits, air[1], (bottom - top) / 25)
    start, stop = left + down.room + (LINE if plot.y else 0), left + width - MARGIN
    across = _axis([mark.x for mark in plot.marks], plot.x_limits, air[0], (stop - start) / 36)
    if plot.square:
        unit = min((stop - start) / across.length, (bottom - top) / down.length)
        stop, bottom = start + unit * across.length, top + unit * down.length
    across = replace(across, first=start, last=stop)
    down = replace(down, first=bottom, last=top)
    title = _text(start, top - 5, plot.title) if plot.title else ""
    marks = [_mark(mark, across, down) for mark in plot.marks]
    return "".join([legend, title, *_frame(plot, across, down), *marks])


def _frame(plot: Plot, across: _Axis, down: _Axis) -> list[str]:
    """Return the lines of the ticks, their labels and the names of the axes."""
    start, stop, bottom, top = across.first, across.last, down.first, down.last
    levels = [] if plot.square else down.place(down.ticks).tolist()
    rows = "".join(f"M{start:.1f} {y:.1f}H{stop:.1f}" for y in [*levels, bottom])
    parts = [f'<path d="{rows}" stroke="{GRID}" stroke-width="0.6"/>']
    for y, label in zip(down.place(down.ticks), down.labels, strict=True):
        parts.append(_text(start - TICK_GAP, y + 3.5, label, "end"))
    if plot.y:
        x, y = start - down.room - 4, (top + bottom) / 2
        turned = f' transform="rotate(-90 {x:.1f} {y:.1f})"'
        parts.append(_text(x, y, down.name(plot.y), "middle", turned))
    if plot.x:
        for x, label in zip(across.place(across.ticks), across.labels, strict=True):
            parts.append(_text(x, bottom + LINE, label, "middle"))
        middle = (start + stop) / 2
        parts.append(_text(middle, bottom + 2 * LINE + 1, across.name(plot.x), "middle"))
    return parts


def _mark(mark: Mark, across: _Axis, down: _Axis) -> str:
    x, y = across.place(mark.x), down.place(mark.y)
    if isinstance(mark, Text):
        return _text(float(x), float(y) - 3, mark.text)
    if isinstance(mark, Map):
        return _picture(mark, x, y)
    if isinstance(mark, Points):
        return _points(mark, x, y)
    if isinstance(mark, Area):
        return f'<path d="{_path(x, y)}" fill="{mark.color}" opacity="{mark.opacity:g}"/>'
    return _stroke(mark, _path(x, y))


def _stroke(line: Line, path: str) -> str:
    style = f' stroke-dasharray="{line.dash}"' if line.dash else ""
    style += f' opacity="{line.opacity:g}"' if line.opacity < 1 else ""
    return (
        f'<path d="{path}" fill="none" stroke="{line.color}" stroke-width="{line.width:g}"'
        f' stroke-linejoin="round"{style}/>'
    )


def _points(points: Points, x: np.ndarray, y: np.ndarray) -> str:
    paint = ("fill", "stroke") if points.filled else ("stroke", "fill")
    known = np.isfinite(x + y)
    dots = "".join(
        f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2"/>'
        for a, b in zip(x[known], y[known], strict=True)
    )
    return f'<g {paint[0]}="{points.color}" {paint[1]}="none" stroke-width="0.8">{dots}</g>'


def _path(x: np.ndarray, y: np.ndarray) -> str:
    """Return a path through points [k], begun anew behind NaN."""
    words, move = [], True
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        known = math.isfinite(a) and math.isfinite(b)
        if known:
            words.append(f"{'M' if move else 'L'}{a:.1f} {b:.1f}")
        move = not known
    return "".join(words)


def _picture(shown: Map, x: np.ndarray, y: np.ndarray) -> str:
    """Return a map as a picture of one colour, as opaque as the values are large."""
    share = np.clip(np.nan_to_num(shown.values) / (shown.top or 1.0), 0, 1)
    pixels = np.empty((*share.shape, 4), np.uint8)
    pixels[..., :3] = ACCENT_RGB[::-1]  # OpenCV writes B, G, R
    pixels[..., 3] = np.rint(63 * share) * (255 / 63)  # few steps take less room
    data = base64.b64encode(cv2.imencode(".png", pixels)[1].tobytes()).decode()
    place = f'x="{x[0]:.1f}" y="{y[0]:.1f}" width="{x[1] - x[0]:.1f}" height="{y[1] - y[0]:.1f}"'
    return f'<image {place} preserveAspectRatio="none" href="data:image/png;base64,{data}"/>'


def _legend(plot: Plot, left: float, width: float) -> tuple[str, int]:
    """Return the labels of marks, row by row above the plot, and the number of rows."""
    parts, x, row = [], left, 0
    for mark in plot.marks:
        if not isinstance(mark, Line | Points) or not mark.label:
            continue
        long = 20 + LETTER * len(mark.label) + 8
        if x + long > left + width and x > left:
            x, row = left, row + 1
        y = MARGIN + LINE * row
        if isinstance(mark, Points):
            parts.append(_points(mark, np.array([x + 8]), np.array([y])))
        else:
            parts.append(_stroke(mark, f"M{x:.1f} {y:.1f}h15"))
        parts.append(_text(x + 20, y + 3.5, mark.label))
        x += long
    return "".join(parts), row + bool(parts)


def _text(x: float, y: float, text: str, anchor: str = "start", more: str = "") -> str:
    words = html.escape(text)
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{MUTED}" text-anchor="{anchor}"{more}>{words}</text>'
    )
