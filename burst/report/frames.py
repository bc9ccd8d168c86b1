"""Numbers of frames by their place in the stack, and the frames that were left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from burst.records import Burst
from burst.report.plot import GRID, Drawing, Line, Plot, Points, horizontal

REASONS_SHOWN = 4  # in a caption; all of them stand in the table of the stage


def by_frame(burst: Burst, values: np.ndarray, missing: float = np.nan) -> np.ndarray:
    """Return values of the used frames [m, ...] as values of all frames of the stack [n, ...].

    Frames that were left out get `missing`; values that are of all frames are returned unchanged.
    """
    numbers = burst.numbers
    if len(values) != len(numbers) or len(values) == burst.stack.count:
        return values
    spread = np.full((burst.stack.count, *values.shape[1:]), missing)
    spread[numbers] = values
    return spread


def kept_frames(burst: Burst) -> np.ndarray:
    """Return which frames are used [n] bool, by their weights or else by the report."""
    if burst.weights is not None:
        weights = burst.weights.detach().cpu().double().numpy()
        return np.asarray(by_frame(burst, weights, 0.0) > 0)
    kept = burst.report.numbers("select").get("kept", burst.numbers)
    return np.isin(np.arange(burst.stack.count), kept)


def left_out(burst: Burst) -> str:
    """Return a sentence per reason with the frames left out; empty without any."""
    found: dict[str, list[int]] = {}
    for stage in ("track", "screen", "select"):
        for frame, reason in burst.report.numbers(stage).get("reasons", {}).items():
            frames = found.setdefault(_kind(reason), [])
            if int(frame) not in frames:
                frames.append(int(frame))
    shown = sorted(found.items(), key=lambda item: -len(item[1]))[:REASONS_SHOWN]
    return "".join(f" {_named(frames)}: {reason}." for reason, frames in shown)


def series(numbers: Mapping[str, Any], *keys: str) -> list[np.ndarray] | None:
    """Return the lists `keys` as arrays of one length, NaN where unknown; None if one is
    missing."""
    found = [numbers.get(key) for key in keys]
    if not all(found):
        return None
    arrays = [np.asarray(values, float) for values in found]
    usable = all(a.shape == arrays[0].shape and np.isfinite(a).any() for a in arrays)
    return arrays if usable else None


def draw_gain(burst: Burst) -> Drawing | None:
    """Draw how bright each frame was recorded, where that differs."""
    if burst.gain is None or bool((burst.gain == 1).all()):
        return None
    gain = by_frame(burst, burst.gain.detach().cpu().double().numpy())
    frame = np.arange(len(gain))
    marks = horizontal(1), Line(frame, gain, GRID, width=0.8), Points(frame, gain)
    plot = Plot(marks, "frame", "brightness", y_limits=(0, None))
    words = (
        f"How bright each frame was recorded against the others: {np.nanmin(gain):.2f} to"
        f" {np.nanmax(gain):.2f} times. It is taken out before anything else."
    )
    return Drawing("gain", "Brightness of the frames", words, words, (plot,))


def _kind(reason: str) -> str:
    """Return a reason without its numbers, so that several frames share it."""
    if reason.startswith("the same as"):
        return "the same as an earlier one"
    if "less" in reason or "sharpness" in reason:
        return "not sharp enough"
    return reason


def _named(frames: Sequence[int]) -> str:
    text = ", ".join(str(i) for i in sorted(frames))
    return f"Frame {text}" if len(frames) == 1 else f"Frames {text}"
