"""Plots of what was measured of the frames: their scores, their noise, their blur."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from burst.records import MID_GREY, Burst, given
from burst.report.frames import kept_frames, left_out, series
from burst.report.plot import (
    GRID,
    INK,
    MUTED,
    Area,
    Drawing,
    Line,
    Map,
    Plot,
    Points,
    horizontal,
    vertical,
)
from burst.report.words import number_text

PSF_MASS_SHOWN = 0.999  # the rest of the kernel is empty to the eye
NYQUIST = 0.5  # cycles per pixel
WITNESSES = {"motion": "", "variation": "5 3", "spectrum": "1.5 2"}  # strokes and gaps, px
SOURCES = {
    "motion": "Variation and spectrum agree with the motion, whose PSF is used.",
    "witnesses": "The motion alone would mislead: the PSF is that of all witnesses, the safe side"
    " of it.",
    "none": "No blur is undone.",
}


def draw_scores(burst: Burst) -> Drawing | None:
    """Draw each frame's score through the burst, the kept frames filled."""
    found = series(burst.report.numbers("select"), "sharpness")
    if found is None or len(found[0]) != burst.stack.count:
        return None
    score, frame, kept = found[0], np.arange(burst.stack.count), kept_frames(burst)
    marks = (
        horizontal(1),
        Line(frame, score, GRID, width=0.8),
        Points(frame[~kept], score[~kept], MUTED, "dropped", filled=False),
        Points(frame[kept], score[kept], label="kept"),
    )
    best = int(np.nanargmax(score))
    share = burst.report.numbers("select").get("share_of_each_tile")
    tiles = "" if share is None else f" In each tile the sharpest {share:.0%} of these count."
    words = (
        f"{kept.sum()} of {len(kept)} frames are kept. The sharpest is frame {best}, at"
        f" {score[best]:.2f} times the mean; the worst stands at {np.nanmin(score):.2f}."
        f"{tiles}{left_out(burst)}"
    )
    alt = f"Sharpness of {len(kept)} frames over time. {words}"
    plot = Plot(marks, "frame", "sharpness / mean")
    return Drawing("scores", "Frame scores", words, alt, (plot,))


def draw_ranking(burst: Burst) -> Drawing | None:
    """Draw the frames' scores from best to worst, and where they are cut if some are."""
    numbers = burst.report.numbers("select")
    found = series(numbers, "sharpness")
    if found is None or len(found[0]) != burst.stack.count:
        return None
    score, kept = found[0], len(numbers.get("kept", ()))
    ranked = np.sort(score[np.isfinite(score)])[::-1]
    if kept == len(ranked):
        return None
    share = 100 * (np.arange(len(ranked)) + 0.5) / len(ranked)
    best = np.concatenate([share[:kept], share[:kept][::-1]])
    marks = (
        Area(best, np.concatenate([ranked[:kept], np.zeros(kept)]), opacity=0.3),
        Line(share, ranked, MUTED),
        vertical(100 * kept / len(ranked)),
    )
    plot = Plot(
        marks, "share of the frames, the best first (%)", "sharpness / mean", y_limits=(0, None)
    )
    words = (
        f"The best {kept} of {len(ranked)} frames are kept, {kept / len(ranked):.0%}. The last of"
        f" them has a sharpness of {ranked[kept - 1]:.2f} times the mean, the best"
        f" {ranked[0]:.2f}."
    )
    return Drawing("ranking", "Frames by quality", words, words, (plot,))


def draw_noise(burst: Burst) -> Drawing | None:
    """Draw the measured noise variance over the level, and the line shot * x + read."""
    numbers = burst.report.numbers("noise")
    points = series(_table(numbers, "curve"), "level", "variance")
    if points is None:
        return None
    level, variance = points
    marks: list[Points | Line] = [Points(level, variance, MUTED, "measured", filled=False)]
    words = f"Variance of the noise at {np.isfinite(variance).sum()} levels of brightness."
    if burst.noise:
        ends = np.array([min(0.0, np.nanmin(level)), np.nanmax(level)])
        fit = burst.noise.shot * ends.clip(0) + burst.noise.read
        marks.append(Line(ends, fit, label="shot · x + read"))
        words = (
            f"The line is variance = {number_text(burst.noise.shot, 3)} · x +"
            f" {number_text(burst.noise.read, 3)}:"
            f" at mid grey a frame's noise is {burst.noise.std(MID_GREY):.2%} of white."
        )
    lowest = min(0.0, float(np.nanmin(variance)))
    plot = Plot(marks, "level x (black 0, white 1)", "variance", y_limits=(lowest, None))
    return Drawing("noise", "Noise", words, f"Noise variance over signal level. {words}", (plot,))


def draw_structure(burst: Burst) -> Drawing | None:
    """Draw how displacements part with distance, and the model of turbulence fitted to it."""
    structure = _table(burst.report.numbers("blur"), "structure")
    found = series(structure, "distance", "measured")
    if found is None:
        return None
    distance, measured = found
    marks: list[Points | Line] = [
        Points(distance, _positive(measured), MUTED, "measured", filled=False)
    ]
    modelled = series(structure, "distance", "model")
    if modelled is not None:
        marks.append(Line(distance, _positive(modelled[1]), label="turbulence"))
    plot = Plot(marks, "distance along a row (px)", "square difference (px²)", y_limits=(0, None))
    strength = burst.report.numbers("blur").get("d_over_r0")
    words = "How far the displacements of two points differ, by their distance."
    if isinstance(strength, int | float):
        words += f" The blur is that of turbulence with D/r0 = {strength:.2f}."
    return Drawing(
        "structure", "Strength of the air", words, f"Growth of differences. {words}", (plot,)
    )


def draw_witnesses(burst: Burst) -> Drawing | None:
    """Draw the blur's transfer function by each witness alone, by all, and as undone."""
    numbers = burst.report.numbers("blur")
    told = _table(numbers, "witnesses")
    believed = series(told, "frequency", "believed")
    if believed is None or burst.psf is None:
        return None
    marks = [
        Line(alone[0], alone[1], MUTED, name, 0.9, dash)
        for name, dash in WITNESSES.items()
        if (alone := series(told, "frequency", name)) is not None
    ]
    marks += [
        Line(believed[0], believed[1], INK, "all together"),
        Line(*_transfer(_mean_psf(burst)), label="undone"),
        horizontal(0.5, GRID),
    ]
    plot = Plot(marks, "cycles per pixel", "transfer of the blur", y_limits=(0, 1.02))
    words = f"{SOURCES.get(str(numbers.get('source')), '')}{_height(numbers)}"
    return Drawing("witnesses", "Witnesses of the blur", words, f"Transfer. {words}", (plot,))


def _height(numbers: Mapping[str, Any]) -> str:
    """Return in words where the transfer function falls to half, as is believed."""
    half, error = numbers.get("half_height_believed"), numbers.get("half_height_error")
    if not isinstance(half, int | float) or not isinstance(error, int | float):
        return ""
    if half > NYQUIST:
        return " The blur is believed to be finer than pixels can show."
    return (
        f" Half of the contrast is believed to be left at {half:.3f} cycles per pixel, within a"
        f" factor of {math.exp(error):.2f}."
    )


def _transfer(psf: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies and the transfer function of a PSF [k, k], mean of both axes."""
    along = [np.abs(np.fft.rfft(psf.sum(axis), 64)) for axis in (0, 1)]
    return np.arange(33) / 64, np.mean(along, axis=0)


def draw_readout(burst: Burst) -> Drawing | None:
    """Draw how well each readout ratio fits the motion, where it was estimated."""
    numbers = burst.report.numbers("unroll")
    found = series(_table(numbers, "readout"), "ratio", "misfit")
    if found is None:
        return None
    ratio, misfit = found
    best, (low, high) = numbers["readout_ratio"], numbers["readout_range"]
    marks = (
        Area((low, low, high, high), (-math.inf, math.inf, math.inf, -math.inf), GRID),
        vertical(best, INK, 0.8, "5 3"),
        Line(ratio, misfit),
    )
    plot = Plot(marks, "readout / frame time", "misfit (px)", y_limits=(0, None))
    words = (
        f"A readout of {best:.3f} frame times makes the motion smoothest;"
        f" {low:.2f} to {high:.2f} fit nearly as well."
    )
    return Drawing("readout", "Readout", words, f"Misfit over the readout ratio. {words}", (plot,))


def draw_psf(burst: Burst) -> Drawing | None:
    """Draw the weighted mean PSF as an image, and its sections through the centre."""
    if burst.psf is None:
        return None
    psf = _core(_mean_psf(burst))
    if not psf.max() > 0:
        return None
    radius = psf.shape[0] // 2
    edge = radius + 0.5
    offset, peak = np.arange(-radius, radius + 1), float(psf.max())
    ends = -edge, edge
    image = Plot((Map(psf, peak, ends, ends),), "px", "px", y_limits=(edge, -edge), square=True)
    sections = (
        Line(offset, psf[radius] / peak, label="horizontal"),
        Line(offset, psf[:, radius] / peak, INK, "vertical", dash="5 3"),
    )
    profile = Plot(sections, "px from the centre", "share of the peak", share=1.5)
    width = burst.report.numbers("blur").get("psf_sigma")
    said = f", {width:.2f} px wide (std)" if isinstance(width, float) else ""
    words = f"The blur that was taken out{said}. On the right its sections through the centre."
    return Drawing("psf", "Point spread function", words, words, (image, profile))


def _table(numbers: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = numbers.get(key)
    return value if isinstance(value, Mapping) else {}


def _positive(values: np.ndarray) -> np.ndarray:
    """Leave out what a logarithmic axis cannot show."""
    return np.where(values > 0, values, np.nan)


def _mean_psf(burst: Burst) -> np.ndarray:
    """Return the PSF [k, k] of the whole burst: the mean over the frames by weight."""
    psf = given(burst.psf).detach().cpu().double().numpy()
    weights = np.ones(len(psf))
    if burst.weights is not None and len(burst.weights) == len(psf):
        weights = burst.weights.detach().cpu().double().numpy()
    mean = np.tensordot(weights, psf, 1) / max(weights.sum(), 1e-12)
    return np.asarray(np.nan_to_num(mean))


def _core(psf: np.ndarray) -> np.ndarray:
    """Cut away the empty rim of a PSF [k, k]; at least 7 x 7 stays."""
    centre = psf.shape[0] // 2
    for radius in range(3, centre):
        inside = psf[centre - radius : centre + radius + 1, centre - radius : centre + radius + 1]
        if inside.sum() >= PSF_MASS_SHOWN * psf.sum():
            return inside
    return psf
