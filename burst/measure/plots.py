"""Plots of the benchmark page, as SVG files that are the same for the same numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox, Transform

from burst.files.write import atomic_write
from burst.measure.results import Record
from burst.measure.tables import MIB, OURS, grouped, is_target, mean_of

INK, MUTED, GRID, ACCENT = "#1d2125", "#70757a", "#dedcd6", "#0b7f88"
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "burst",  # the same plot gives the same bytes
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.edgecolor": GRID,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
}
ORACLE = "oracle"  # methods whose names begin so are lines: their seconds mean nothing
# Offsets of a label from its point, in typographic points, the best first; a label to the left of
# its point is right-aligned.
AROUND_POINT = ((5, 3), (5, -8), (-5, 3), (-5, -8), (0, 8), (0, -13), (8, 12), (8, -17), (-8, 12))
ON_LINE = ((2, 2), (2, -8))


def draw_seconds(records: Sequence[Record], path: Path) -> None:
    """Draw PSNR against seconds, a panel for each level, methods as points, oracles as lines."""
    groups = grouped([r for r in records if not is_target(r)], "level")
    figure, panels = _figure(len(groups))
    for axes, (level, group) in zip(panels, groups.items(), strict=True):
        _draw_methods(axes, group)
        axes.set(title=level, xscale="log", xlabel="seconds", ylabel="PSNR, dB")
        axes.margins(x=0.3, y=0.1)
    # Positions of text are known only after layout.
    figure.draw_without_rendering()
    for axes, group in zip(panels, groups.values(), strict=True):
        _label_methods(axes, group)
    _save(figure, path)


def _draw_methods(axes: Axes, records: Sequence[Record]) -> None:
    for method in records[0]["methods"]:
        psnr = mean_of(records, method, "psnr")
        if method.startswith(ORACLE):
            axes.axhline(psnr, color=INK, linewidth=0.8, linestyle="--")
        else:
            axes.plot(mean_of(records, method, "seconds"), psnr, "o", color=_colour(method))


def _label_methods(axes: Axes, records: Sequence[Record]) -> None:
    """Write the name of every method beside its point or on its line, without overlaps."""
    names = records[0]["methods"]
    place = {m: (mean_of(records, m, "seconds"), mean_of(records, m, "psnr")) for m in names}
    lines = sorted((m for m in names if m.startswith(ORACLE)), key=lambda m: -place[m][1])
    points = sorted((m for m in names if m not in lines), key=place.__getitem__)
    dots = axes.transData.transform([place[m] for m in points])
    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in dots]
    for method in lines:
        at = (0.0, place[method][1])
        taken.append(_write(axes, method, at, axes.get_yaxis_transform(), ON_LINE, taken))
    for method in lines:
        y = axes.transData.transform(place[method])[1]
        taken.append(Bbox.from_extents(axes.bbox.x0, y, axes.bbox.x1, y + 0.5))
    for method in points:
        taken.append(_write(axes, method, place[method], axes.transData, AROUND_POINT, taken))


def _write(
    axes: Axes, method: str, place: tuple[float, float], across: Transform,
    offsets: Sequence[tuple[float, float]], taken: Sequence[Bbox],
) -> Bbox:  # fmt: skip
    """Write a name at the first offset without overlap, or else the last; return its box."""
    for offset in offsets:
        side = "left" if offset[0] > 0 else "right" if offset[0] < 0 else "center"
        text = axes.annotate(
            method, place, offset, xycoords=across, textcoords="offset points",
            color=_colour(method), size=7, ha=side,
        )  # fmt: skip
        box = text.get_window_extent()
        within = axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1
        if offset == offsets[-1] or (within and not box.count_overlaps(taken)):
            break
        text.remove()
    return box


def _colour(method: str) -> str:
    return ACCENT if method == OURS else MUTED


def draw_scaling(sweeps: Mapping[str, Sequence[Record]], path: Path) -> None:
    """Draw seconds and memory over the number of values in the stack, a line for each sweep."""
    figure, (seconds, memory) = _figure(2)
    for (label, group), colour in zip(sweeps.items(), (MUTED, ACCENT), strict=True):
        values = [r["case"]["frames"] * r["case"]["size"] ** 2 / 1e6 for r in group]
        seconds.plot(values, [r["seconds"] for r in group], "o-", color=colour, label=label)
        memory.plot(values, [r["peak"] / MIB for r in group], "o-", color=colour, label=label)
    for axes, what in ((seconds, "seconds"), (memory, "peak MiB")):
        axes.set(ylabel=what, xlabel="million values", xlim=(0, None), ylim=(0, None))
    seconds.legend(frameon=False)
    _save(figure, path)


def _figure(panels: int) -> tuple[Figure, list[Axes]]:
    with matplotlib.rc_context(STYLE):
        columns = min(2, panels)
        rows = -(-panels // columns)
        figure = Figure(figsize=(4.6 * columns, 3.2 * rows))
        axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for unused in axes[panels:]:
        unused.set_visible(False)
    return figure, axes[:panels]


def _save(figure: Figure, path: Path) -> None:
    with matplotlib.rc_context(STYLE), atomic_write(path) as part:
        figure.savefig(part, format="svg", metadata={"Date": None})
