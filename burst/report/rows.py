"""Plots about a rolling shutter: when rows were read, the motion, and the remaining error."""

from __future__ import annotations

import math

import cv2
import numpy as np

from burst.ops.flow import fill, match
from burst.report.motion import MAP_SIDE, map_of, scale_of
from burst.report.pictures import balanced, display_points, encode, reduced
from burst.report.plot import ACCENT, INK, MUTED, Area, Drawing, Line, Mark, Plot, Points, Text
from burst.report.rolling import Instants, as_displayed, frame_image, grey, scores

FRAMES_SHOWN = 8  # on either side of the instant
INSTANTS_SHOWN = 40
MATCHED_SIDE = 640  # px; larger pictures are reduced before motion is looked for
TRUSTED = 0.5
LEAST_ROW = 0.1  # of a row's pixels, trusted, that tell how far it is displaced
ROW_BOX = 9  # rows, over which errors are averaged


def draw_rows(instants: Instants) -> list[Drawing]:
    """Return all plots that can be drawn of the images of instants and their truths."""
    drawings = [_draw_paths(instants), _draw_motion(instants)]
    if instants.shown in instants.truths:
        drawings.append(_draw_row_errors(instants))
    if len(instants.truths) > 1:
        drawings.append(_draw_scores(instants))
    return drawings


def _draw_paths(instants: Instants) -> Drawing:
    """Draw which row is read when, and the instants that were asked for."""
    stack, clock, times = instants.burst.stack, instants.clock, instants.times
    near = instants.frame_of(instants.shown)
    frames = range(max(0, near - FRAMES_SHOWN), min(stack.count, near + FRAMES_SHOWN + 1))
    marks: list[Mark] = []
    rows, unit = np.array([0.0, stack.height - 1.0]), instants.unit
    exposure = stack.sensor.exposure_time / unit if unit else 0.0
    for k in frames:
        when = float(clock.start[k]) + float(clock.pace[k]) * rows
        colour = ACCENT if k - near in range(1 + instants.paired) else MUTED
        if exposure:
            ends = np.concatenate([when - exposure / 2, when[::-1] + exposure / 2])
            marks.append(Area(ends, np.concatenate([rows, rows[::-1]]), colour, 0.2))
        marks += [Line(when, rows, colour), Text(float(when[0]), 0.0, f"{k}")]
    step = -(-len(times) // INSTANTS_SHOWN)
    marks += [Line((t, t), rows, INK, width=0.8, dash="5 3") for t in times[::step]]
    time = "time (readouts)" if instants.paired else "time (frame times)"
    plot = Plot(marks, time, "row", y_limits=(stack.height - 1, -0.08 * stack.height))
    count = "One instant is" if len(times) == 1 else f"{len(times)} instants are"
    words = (
        f"Each line is a frame, from the row that is read first to the last. {count} restored,"
        f" dashed{'' if step == 1 else f' one in {step}'}: where a line crosses one, the frame saw"
        " that row at that very time."
    )
    return Drawing("row-paths", "When rows were read", words, words, (plot,))


def _draw_motion(instants: Instants) -> Drawing:
    """Draw the motion from the frame to another, and how far the result moved the frame."""
    stack, frame = instants.burst.stack, instants.frame_of(instants.shown)
    other = frame + 1 if frame + 1 < stack.count else frame - 1
    images = [frame_image(instants.burst, k) for k in (frame, other)]
    images.append(instants.images[instants.shown])
    first, second, result = _pictures(instants, images)
    moved, _ = _flow(instants, first, second)
    put_right, _ = _flow(instants, result, first)
    top = float(np.percentile(np.hypot(*moved), 99)) or 1.0
    plots = []
    for flow, title in ((moved, f"frame {frame} to {other}"), (put_right, f"to frame {frame}")):
        step = -(-max(flow.shape[1:]) // MAP_SIDE)
        coarse = flow[:, step // 2 :: step, step // 2 :: step]
        pixels = max(1, round(step * stack.height / flow.shape[1]))
        plots.append(map_of(np.hypot(*coarse), top, pixels, title, coarse))
    words = (
        f"What moved from frame {frame} to frame {other}: {_rms(moved):.1f} px rms, at most"
        f" {np.percentile(np.hypot(*moved), 99.9):.1f} px. On the right, from a point of the"
        f" result to where frame {frame} saw it: {_rms(put_right):.1f} px rms."
    )
    return Drawing("row-flow", "Motion", words, words, (*plots, scale_of(top)))


def _draw_row_errors(instants: Instants) -> Drawing:
    """Draw how far the rows of frame and result stand from the truth, and how they differ."""
    number, sensor = instants.shown, instants.burst.stack.sensor
    truth, frame = instants.truths[number], instants.frame_of(number)
    images = [frame_image(instants.burst, frame), instants.images[number]]
    *pictures, wanted = _pictures(instants, [*images, truth])
    displaced, differing, words = [], [], []
    styles = ((f"frame {frame}", MUTED), ("result", ACCENT))
    for image, picture, (label, colour) in zip(images, pictures, styles, strict=True):
        apart = _row_displacement(*_flow(instants, wanted, picture))
        rows = (np.arange(len(apart)) + 0.5) * len(truth) / len(apart) - 0.5
        displaced.append(Line(apart, rows, colour, label))
        error = grey(as_displayed(image, sensor)) - grey(as_displayed(truth, sensor))
        rms = np.sqrt(_smooth((error**2).mean(1)))
        differing.append(Line(100 * rms, np.arange(len(rms)), colour))
        off = math.sqrt(float(np.nanmean(apart**2))) if np.isfinite(apart).any() else math.nan
        words.append(f"{off:.2f} px" if math.isfinite(off) else "an unknown way")
    limits = (0, None), (len(truth) - 1, 0)
    plots = (
        Plot(displaced, "displacement (px)", "row", "", *limits),
        Plot(differing, "rms error (% of white)", "", "", *limits),
    )
    caption = (
        f"The rows of frame {frame} stand {words[0]} rms from the truth, those of the result"
        f" {words[1]}. On the right, what is left of the difference in brightness."
    )
    return Drawing("row-errors", "Error of the rows", caption, caption, plots)


def _draw_scores(instants: Instants) -> Drawing:
    """Draw the PSNR of every instant whose truth is known."""
    found = scores(instants)
    when = [score["instant"] for score in found]
    frame, result = ([score[name] for score in found] for name in ("frame_psnr", "psnr"))
    marks: list[Mark] = [Line(when, frame, MUTED), Points(when, frame, MUTED, "nearest frame")]
    marks += [Line(when, result), Points(when, result, label="result")]
    unit = "readouts" if instants.paired else "frame times"
    plot = Plot(marks, f"instant ({unit})", "PSNR (dB)")
    words = (
        f"{np.mean(result):.1f} dB on average over {len(found)} instants, {min(result):.1f} at"
        f" least; the frame read closest to each is at {np.mean(frame):.1f}."
    )
    return Drawing("instant-scores", "PSNR of the instants", words, words, (plot,))


def _pictures(instants: Instants, images: list[np.ndarray]) -> list[np.ndarray]:
    """Return images as grey pictures uint8 with the same black and white, all of one size."""
    burst = instants.burst
    black, white = display_points(grey(balanced(instants.images[instants.shown], burst)))
    pictures = [
        reduced(
            encode(grey(balanced(image, burst)), black, white, burst.stack.sensor), MATCHED_SIDE
        )
        for image in images
    ]
    height, width = pictures[0].shape
    # The planes of a mosaic have half of its size.
    return [cv2.resize(picture, (width, height)) for picture in pictures]


def _flow(
    instants: Instants, first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the flow [2, y, x] in px of the frame, filled, and where [y, x] it is trusted."""
    found = match(first, second)
    flow = fill(found.forth, found.forth_trust).numpy()
    return flow * instants.burst.stack.height / len(first), found.forth_trust.numpy() > TRUSTED


def _row_displacement(flow: np.ndarray, trusted: np.ndarray) -> np.ndarray:
    """Return the displacement [y] px of each row: the median over its trusted pixels."""
    known = np.where(trusted, flow, np.nan)
    enough = trusted.mean(1) > LEAST_ROW
    medians = np.full((2, len(enough)), np.nan)
    medians[:, enough] = np.nanmedian(known[:, enough], axis=2)
    return np.asarray(np.hypot(*medians))


def _smooth(values: np.ndarray) -> np.ndarray:
    """Return the running mean [y] over some rows, fewer at the ends."""
    box = np.ones(min(ROW_BOX, len(values)))
    return np.asarray(
        np.convolve(values, box, "same") / np.convolve(np.ones_like(values), box, "same")
    )


def _rms(flow: np.ndarray) -> float:
    """Return the rms length of a flow [2, y, x], px."""
    return math.sqrt(float((flow**2).sum(0).mean()))
