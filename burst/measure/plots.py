"""The plots of the benchmark's page, as SVG files that are the same for the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burst.files.write import atomic_write
from burst.measure.results import Record
from burst.measure.scaling import FRAMES, SIZE
from burst.measure.tables import MIB, OURS, by_level, is_target, mean_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
ORACLE = "oracle"  # with what its name begins, it is a line: its seconds mean nothing
ABOVE, BELOW = (5, 3), (5, -9)  # of a point, in points of print


def draw_seconds(records: Sequence[Record], path: Path) -> None:
    """Draw PSNR against seconds, one panel a level and one point a method; oracles as lines."""
    groups = by_level([r for r in records if not is_target(r)])
    figure, panels = _figure(len(groups))
    for axes, (level, group) in zip(panels, groups.items(), strict=True):
        _draw_methods(axes, group)
        axes.set(title=level, xscale="log", xlabel="seconds", ylabel="PSNR, dB")
        axes.margins(x=0.3, y=0.1)
    _save(figure, path)


def _draw_methods(axes: Axes, records: Sequence[Record]) -> None:
    def seconds(method: str) -> float:
        return mean_of(records, method, "seconds")

    # Neighbours in time have their names on different sides.
    for i, method in enumerate(sorted(records[0]["methods"], key=seconds)):
        psnr = mean_of(records, method, "psnr")
        colour = ACCENT if method == OURS else MUTED
        if method.startswith(ORACLE):
            axes.axhline(psnr, color=INK, linewidth=0.8, linestyle="--")
            place, offset = (0.0, psnr), (2, 2)
            across = axes.get_yaxis_transform()
        else:
            axes.plot(seconds(method), psnr, "o", color=colour)
            place, offset = (seconds(method), psnr), BELOW if i % 2 else ABOVE
            across = axes.transData
        axes.annotate(
            method, place, offset, xycoords=across, textcoords="offset points", color=colour, size=7
        )


def draw_scaling(records: Sequence[Record], path: Path) -> None:
    """Draw seconds and memory over the number of values in the stack."""
    figure, (seconds, memory) = _figure(2)
    sweeps = {
        f"{SIZE} x {SIZE} px, more frames": [r for r in records if r["case"]["size"] == SIZE],
        f"{FRAMES} frames, more pixels": [r for r in records if r["case"]["frames"] == FRAMES],
    }
    for (label, group), colour in zip(sweeps.items(), (MUTED, ACCENT), strict=True):
        values = [r["case"]["frames"] * r["case"]["size"] ** 2 / 1e6 for r in group]
        seconds.plot(values, [r["seconds"] for r in group], "o-", color=colour, label=label)
        memory.plot(values, [r["peak"] / MIB for r in group], "o-", color=colour, label=label)
    for axes, what in ((seconds, "seconds"), (memory, "peak MiB")):
        axes.set(ylabel=what, xlabel="million values", xlim=(0, None), ylim=(0, None))
    seconds.legend(frameon=False)
    _save(figure, path)


def _figure(panels: int) -> tuple[Figure, list[Axes]]:
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        columns = min(2, panels)
        rows = -(-panels // columns)
        figure = Figure(figsize=(4.6 * columns, 3.2 * rows))
        axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for unused in axes[panels:]:
        unused.set_visible(False)
    return figure, axes[:panels]


def _save(figure: Figure, path: Path) -> None:
    import matplotlib

    with matplotlib.rc_context(STYLE), atomic_write(path) as part:
        figure.savefig(part, format="svg", metadata={"Date": None})
