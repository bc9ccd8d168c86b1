"""Plots of motion: of whole frames, of rows, and the air's displacement of every pixel."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from burst.ops.alignment.motion import without_motion
from burst.ops.shutter import exposure_window
from burst.records import Burst, given
from burst.report.frames import by_frame, numbers_of
from burst.report.style import (
    ACCENT,
    GRID,
    INK,
    MUTED,
    Drawing,
    accent_map,
    new_axes,
    new_maps,
    series,
)

POINTS_SHOWN = 600  # of the whole burst; a plot is 400 px wide
ROWS_SHOWN = 48  # of one frame in the close view
FRAMES_CLOSE = 3
ARROWS = 12  # along the longer side
MAP_SIDE = 160  # px, longest side of the displacement maps


def draw_track(burst: Burst) -> Drawing | None:
    """Draw where the disc or surface that was followed lies in each frame."""
    numbers = burst.report.numbers("track")
    if not numbers.get("place"):
        return None
    place = np.array(numbers["place"], float)
    figure, (axes,) = new_axes()
    for values, label, colour in zip(place.T, ("right", "down"), (ACCENT, MUTED), strict=True):
        axes.plot(values, ".", color=colour, label=label)
    axes.set(xlabel="frame", ylabel="place (px)")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    height, width = numbers["size"]
    found = int(np.isfinite(place[:, 0]).sum())
    words = (
        f"The {numbers['target']} is in {found} of {len(place)} frames. It drifts by"
        f" {numbers['drift']:.0f} px; the frames are cut to {width} x {height} px around it."
    )
    return Drawing("track", "Drift of what is followed", words, words, figure)


def draw_shift(burst: Burst) -> Drawing | None:
    """Draw the shift of every whole frame."""
    shift = by_frame(burst, np.asarray(burst.report.numbers("align").get("shift") or [], float))
    if shift.shape != (burst.stack.count, 2) or not np.isfinite(shift).any():
        return None
    figure, (axes,) = new_axes()
    _plot_both(axes, np.arange(len(shift)), shift)
    axes.set(xlabel="frame", ylabel="shift (px)")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    rms = np.sqrt(np.nanmean((shift - np.nanmean(shift, 0)) ** 2))
    words = f"How far each frame as a whole stands from the reference: {rms:.2f} px rms per axis."
    return Drawing("shift", "Shift of the frames", words, words, figure)


def draw_row_motion(burst: Burst) -> Drawing | None:
    """Draw the motion of the rows through the burst, and three frames of it close by."""
    if burst.row_motion is None:
        return None
    motion = burst.row_motion.detach().cpu().double().numpy()
    time = _row_times(burst)
    rms = float(np.sqrt(np.nanmean(motion**2)))
    figure, (whole, close) = new_axes((1.6, 1))
    n, h = time.shape
    _plot_frames(whole, time, motion, max(1, -(-n * h // POINTS_SHOWN)))
    liveliest = int(np.nanargmax(np.nan_to_num(motion).std(1).sum(1)))
    first = min(max(liveliest - FRAMES_CLOSE // 2, 0), max(n - FRAMES_CLOSE, 0))
    frames = slice(first, first + FRAMES_CLOSE)
    _plot_frames(close, time[frames], motion[frames], max(1, h // ROWS_SHOWN))
    whole.set(xlabel="time (frames)", ylabel="row motion (px)")
    whole.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    close.set(xlabel="time (frames)")
    close.set_title("close by", color=MUTED, fontsize=10, loc="left")
    words = (
        f"How far the rows moved while they were read out: {rms:.2f} px rms."
        f" On the right, the frames around number {numbers_of(burst)[liveliest]}, where it varies"
        " most."
    )
    return Drawing("row-motion", "Row motion", words, words, figure)


def draw_path(burst: Burst) -> Drawing | None:
    """Draw how the camera went about an instant, where `unroll` found it."""
    numbers = burst.report.numbers("unroll")
    table = numbers.get("shake") or {}
    found = series(table, "time", "dx", "dy")
    if found is None:
        return None
    time, *motion = found
    figure, (axes,) = new_axes()
    for instant in numbers.get("instants", ()):
        if time[0] <= instant <= time[-1]:
            axes.axvline(instant, color=GRID, linewidth=3, zorder=0)
    _plot_both(axes, time, np.stack(motion, axis=1))
    axes.set(xlabel="time (frames)", ylabel="camera's path (px)")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    words = (
        "From the acceleration that all points share, without steady motion; the camera shakes by"
        f" {table['strength']:.2f} px rms."
    )
    return Drawing("path", "Path of the camera", words, words, figure)


def draw_displacement(burst: Burst) -> Drawing | None:
    """Draw the displacement field of a typical frame and the rms over all frames as a map."""
    if burst.flow is None:
        return None
    step = -(-max(burst.stack.height, burst.stack.width) // MAP_SIDE)
    frames = _kept_frames(burst)
    local = _local_flow(burst, frames, step)
    size = np.sqrt((local**2).sum(1))
    typical = int(np.argsort(size.mean((1, 2)))[len(size) // 2])
    rms = np.sqrt((local**2).mean((0, 1)))
    figure, (field, spread) = new_maps()
    top = float(np.percentile(rms, 99.5)) or 1.0
    show_map(field, size[typical], 3 * top, step)
    draw_arrows(field, local[typical], step)
    field.set_title(
        f"frame {numbers_of(burst)[frames[typical]]}", color=MUTED, fontsize=10, loc="left"
    )
    shown = show_map(spread, rms, top, step)
    spread.set_title("rms over the frames", color=MUTED, fontsize=10, loc="left")
    figure.colorbar(shown, ax=spread, label="px", shrink=0.8).outline.set_visible(False)
    words = (
        f"Where the air pushed the scene, the shift of the whole frame taken out:"
        f" {np.sqrt((rms**2).mean()):.2f} px rms per axis."
    )
    return Drawing("displacement", "Displacement", words, words, figure)


def _plot_both(axes: Axes, time: np.ndarray, motion: np.ndarray) -> None:
    """Plot dx and dy of motion [m, 2] over time [m]."""
    axes.plot(time, motion[:, 0], color=ACCENT, label="dx, to the right")
    axes.plot(time, motion[:, 1], color=INK, linewidth=0.9, alpha=0.75, label="dy, down")


def _plot_frames(axes: Axes, time: np.ndarray, motion: np.ndarray, step: int) -> None:
    """Plot every `step`-th row of motion [n, h, 2] over time [n, h], a gap after each frame."""
    step = min(step, max(1, time.shape[1] // 4))
    rows, columns = time[:, ::step], motion[:, ::step]
    gap = np.full((len(rows), 1), np.nan)
    rows = np.concatenate((rows, gap), 1)
    columns = np.concatenate((columns, np.repeat(gap[..., None], 2, 2)), 1)
    _plot_both(axes, rows.ravel(), columns.reshape(-1, 2))


def _row_times(burst: Burst) -> np.ndarray:
    """Return when rows of the result's grid were exposed [m, h], in frames that take part."""
    stack, sensor = burst.stack, burst.stack.sensor
    row_motion = given(burst.row_motion)
    if sensor.frame_time and sensor.row_time:
        begin, end = exposure_window(sensor, stack.height, stack.scan)
        times = np.asarray(((begin + end) / 2 / sensor.frame_time).numpy())
    else:
        # Unknown times: the rows are spread over their frame, so that the plot can be read.
        times = np.arange(stack.count)[:, None] + np.arange(stack.height) / stack.height
    corner = None if burst.alignment is None else burst.alignment.corner
    top = 0 if corner is None else corner[1]
    rows = np.clip(np.arange(row_motion.shape[1]) + top, 0, stack.height - 1)
    return np.asarray(times[numbers_of(burst)][:, rows])


def _kept_frames(burst: Burst) -> np.ndarray:
    """Return the places [m] in the flow of frames with a weight; all without weights."""
    if burst.weights is None or not bool((burst.weights > 0).any()):
        return np.arange(len(numbers_of(burst)))
    return np.flatnonzero(burst.weights.detach().cpu().numpy() > 0)


def _local_flow(burst: Burst, frames: np.ndarray, step: int) -> np.ndarray:
    """Return every `step`-th pixel of the flow of frames [m] without its mean [m, 2, y, x]."""
    air = without_motion(given(burst.flow).detach().float(), burst.motion)
    flow = torch.nan_to_num(air[..., ::step, ::step].cpu()[torch.from_numpy(frames)])
    return np.asarray((flow - flow.mean((2, 3), keepdim=True)).numpy())


def show_map(axes: Axes, values: np.ndarray, top: float, step: int) -> AxesImage:
    """Show a map [y, x] from 0 to `top` px, its axes in pixels of the frame."""
    h, w = values.shape
    axes.grid(visible=False)
    extent = (-0.5, w * step - 0.5, h * step - 0.5, -0.5)
    return axes.imshow(values, cmap=accent_map(), vmin=0, vmax=top, extent=extent)


def draw_arrows(axes: Axes, flow: np.ndarray, step: int) -> None:
    """Draw a coarse grid of arrows over a map of flow [2, y, x]."""
    every = max(1, max(flow.shape[1:]) // ARROWS)
    start = every // 2
    y, x = np.mgrid[start : flow.shape[1] : every, start : flow.shape[2] : every]
    dx, dy = flow[:, start::every, start::every]
    if not np.hypot(dx, dy).any():
        return
    arrows = axes.quiver(x * step, y * step, dx, dy, color=INK, angles="xy", width=0.006)
    length = float(f"{np.hypot(dx, dy).max() or 1.0:.1g}")
    axes.quiverkey(arrows, 0.75, 1.06, length, f"{length:g} px", labelpos="E", color=INK)
