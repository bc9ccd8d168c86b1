"""Plots of motion: of whole frames, of rows, and the air's displacement of every pixel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from burst.ops.alignment.motion import without_motion
from burst.ops.shutter import exposure_window
from burst.records import Burst, given
from burst.report.frames import by_frame, series
from burst.report.plot import (
    ACCENT,
    GRID,
    INK,
    MUTED,
    Drawing,
    Line,
    Map,
    Plot,
    Points,
    arrows,
    vertical,
)

POINTS_SHOWN = 600  # of the whole burst; a plot is 400 px wide
ROWS_SHOWN = 48  # of one frame in the close view
FRAMES_CLOSE = 3
ARROWS = 12  # along the longer side
MOST_MAPPED = 400  # frames, evenly in time, whose displacement is drawn: by hand
MAP_SIDE = 160  # px, longest side of the displacement maps


def draw_track(burst: Burst) -> Drawing | None:
    """Draw where the disc or surface that was followed lies in each frame."""
    numbers = burst.report.numbers("track")
    if not numbers.get("place"):
        return None
    place = np.array(numbers["place"], float)
    frame = np.arange(len(place))
    marks = Points(frame, place[:, 0], label="right"), Points(frame, place[:, 1], MUTED, "down")
    plot = Plot(marks, "frame", "place (px)")
    height, width = numbers["size"]
    found = int(np.isfinite(place[:, 0]).sum())
    words = (
        f"The {numbers['target']} is in {found} of {len(place)} frames. It drifts by"
        f" {numbers['drift']:.0f} px; the frames are cut to {width} x {height} px around it."
    )
    return Drawing("track", "Drift of what is followed", words, words, (plot,))


def draw_shift(burst: Burst) -> Drawing | None:
    """Draw the shift of every whole frame."""
    shift = by_frame(burst, np.asarray(burst.report.numbers("align").get("shift") or [], float))
    if shift.shape != (burst.stack.count, 2) or not np.isfinite(shift).any():
        return None
    plot = Plot(_both(np.arange(len(shift)), shift), "frame", "shift (px)")
    rms = np.sqrt(np.nanmean((shift - np.nanmean(shift, 0)) ** 2))
    words = f"How far each frame as a whole stands from the reference: {rms:.2f} px rms per axis."
    return Drawing("shift", "Shift of the frames", words, words, (plot,))


def draw_row_motion(burst: Burst) -> Drawing | None:
    """Draw the motion of the rows through the burst, and three frames of it close by."""
    if burst.row_motion is None:
        return None
    motion = burst.row_motion.detach().cpu().double().numpy()
    time = _row_times(burst)
    rms = float(np.sqrt(np.nanmean(motion**2)))
    n, h = time.shape
    through = _by_rows(time, motion, max(1, -(-n * h // POINTS_SHOWN)))
    liveliest = int(np.nanargmax(np.nan_to_num(motion).std(1).sum(1)))
    first = min(max(liveliest - FRAMES_CLOSE // 2, 0), max(n - FRAMES_CLOSE, 0))
    frames = slice(first, first + FRAMES_CLOSE)
    near = _by_rows(time[frames], motion[frames], max(1, h // ROWS_SHOWN))
    plots = (
        Plot(through, "time (frames)", "row motion (px)", share=1.6),
        Plot([replace(line, label="") for line in near], "time (frames)", title="close by"),
    )
    words = (
        f"How far the rows moved while they were read out: {rms:.2f} px rms."
        f" On the right, the frames around number {burst.numbers[liveliest]}, where it varies"
        " most."
    )
    return Drawing("row-motion", "Row motion", words, words, plots)


def draw_path(burst: Burst) -> Drawing | None:
    """Draw how the camera went about an instant, where `unroll` found it."""
    numbers = burst.report.numbers("unroll")
    table = numbers.get("shake") or {}
    found = series(table, "time", "dx", "dy")
    if found is None:
        return None
    time, *motion = found
    inside = [i for i in numbers.get("instants", ()) if time[0] <= i <= time[-1]]
    marks = [vertical(instant, GRID, 3) for instant in inside]
    marks += _both(time, np.stack(motion, axis=1))
    plot = Plot(marks, "time (frames)", "camera's path (px)")
    words = (
        "From the acceleration that all points share, without steady motion; the camera shakes by"
        f" {table['strength']:.2f} px rms."
    )
    return Drawing("path", "Path of the camera", words, words, (plot,))


def draw_displacement(burst: Burst) -> Drawing | None:
    """Draw the displacement field of a typical frame and the rms over all frames as a map."""
    if burst.flow is None:
        return None
    step = -(-max(burst.stack.height, burst.stack.width) // MAP_SIDE)
    frames = _kept_frames(burst)
    frames = frames[:: -(-len(frames) // MOST_MAPPED)]  # maps of all of very many fill the memory
    local = _local_flow(burst, frames, step)
    size = np.sqrt((local**2).sum(1))
    typical = int(np.argsort(size.mean((1, 2)))[len(size) // 2])
    rms = np.sqrt((local**2).mean((0, 1)))
    top = float(np.percentile(rms, 99.5)) or 1.0
    named = f"frame {burst.numbers[frames[typical]]}"
    plots = (
        map_of(size[typical], 3 * top, step, named, local[typical]),
        map_of(rms, top, step, "rms over the frames"),
        scale_of(top),
    )
    words = (
        f"Where the air pushed the scene, the shift of the whole frame taken out:"
        f" {np.sqrt((rms**2).mean()):.2f} px rms per axis."
    )
    return Drawing("displacement", "Displacement", words, words, plots)


def _both(time: np.ndarray, motion: np.ndarray) -> tuple[Line, Line]:
    """Return the lines of dx and dy of motion [m, 2] over time [m]."""
    return (
        Line(time, motion[:, 0], ACCENT, "dx, to the right"),
        Line(time, motion[:, 1], INK, "dy, down", 0.9, opacity=0.75),
    )


def _by_rows(time: np.ndarray, motion: np.ndarray, step: int) -> tuple[Line, Line]:
    """Return the lines of every `step`-th row of motion [n, h, 2] over time [n, h], a gap after
    each frame."""
    step = min(step, max(1, time.shape[1] // 4))
    rows, columns = time[:, ::step], motion[:, ::step]
    gap = np.full((len(rows), 1), np.nan)
    rows = np.concatenate((rows, gap), 1)
    columns = np.concatenate((columns, np.repeat(gap[..., None], 2, 2)), 1)
    return _both(rows.ravel(), columns.reshape(-1, 2))


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
    return np.asarray(times[burst.numbers][:, rows])


def _kept_frames(burst: Burst) -> np.ndarray:
    """Return the places [m] in the flow of frames with a weight; all without weights."""
    if burst.weights is None or not bool((burst.weights > 0).any()):
        return np.arange(len(burst.numbers))
    return np.flatnonzero(burst.weights.detach().cpu().numpy() > 0)


def _local_flow(burst: Burst, frames: np.ndarray, step: int) -> np.ndarray:
    """Return every `step`-th pixel of the flow of frames [m] without its mean [m, 2, y, x]."""
    air = without_motion(given(burst.flow).detach().float(), burst.motion)
    flow = torch.nan_to_num(air[..., ::step, ::step].cpu()[torch.from_numpy(frames)])
    return np.asarray((flow - flow.mean((2, 3), keepdim=True)).numpy())


def map_of(
    values: np.ndarray, top: float, step: int, title: str, flow: np.ndarray | None = None
) -> Plot:
    """Return a map [y, x] from 0 to `top` px, its axes in pixels of the frame, with a coarse grid
    of arrows of the flow [2, y, x]."""
    h, w = values.shape
    across, down = (-0.5, w * step - 0.5), (-0.5, h * step - 0.5)
    marks: list[Map | Line] = [Map(values, top, across, down)]
    if flow is not None and flow.any():
        every = max(1, max(h, w) // ARROWS)
        y, x = np.mgrid[every // 2 : h : every, every // 2 : w : every]
        coarse = flow[:, y, x].reshape(2, -1)
        longest = float(np.hypot(*coarse).max()) or 1.0
        scale = every * step / longest  # the longest reaches the next one
        marks.append(arrows(x.ravel() * step, y.ravel() * step, coarse * scale))
        title += f", arrows up to {longest:.2g} px"
    limits = (down[1], down[0])
    return Plot(marks, "px", "", title, across, limits, square=True)


def scale_of(top: float) -> Plot:
    """Return the scale of a map from 0 to `top` px."""
    shades = np.linspace(top, 0, 64)[:, None]
    return Plot((Map(shades, top, (0, 1), (top, 0)),), "", "px", "", (0, 1), (0, top), share=0.4)
