"""Values that a file marks as not measured: NaN and infinity among floats."""

from __future__ import annotations

import numpy as np

from burst.lazy import scipy
from burst.log import LOG
from burst.mapped import each_frame, forget_now_and_then, room_for_frames
from burst.records import StackError

MOST_MISSING = 0.25  # of all values; more is a mask or a mistake, not gaps in frames


def filled(where: str, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Return frames [n, h, w] without NaN and infinity, and which of their values were measured
    [n, h, w]; None for all.

    A gap gets what the other frames show there, so that nothing in it looks sharp or noisy; where
    no frame was measured, what the nearest pixel shows. StackError if too much is missing.
    """
    if frames.dtype.kind != "f":
        return frames, None
    missing = [int(np.count_nonzero(~np.isfinite(frame))) for frame in each_frame(frames)]
    if not any(missing):
        return frames, None
    share = sum(missing) / frames.size
    if share > MOST_MISSING:
        raise StackError(
            f"{where}: expected few values that are NaN or infinite, found {share:.0%}."
            " Leave out frames that are empty, and cut off what no frame shows."
        )
    LOG.info("%s: %d NaN or infinite values do not count.", where, sum(missing))
    measured, result = (
        room_for_frames(frames.shape, bool),
        room_for_frames(frames.shape, frames.dtype),
    )
    for number, frame in enumerate(each_frame(frames)):
        measured[number], result[number] = np.isfinite(frame), frame
        forget_now_and_then(measured, number)
        forget_now_and_then(result, number)
    y, x = np.nonzero(~measured.all(0))
    values = np.where(measured[:, y, x], result[:, y, x], np.nan)
    shown = measured[:, y, x].any(0)
    typical = np.zeros(len(y), result.dtype)
    typical[shown] = np.nanmedian(values[:, shown], 0)
    result[:, y, x] = np.where(np.isnan(values), typical, values)
    if not shown.all():
        _fill_from_nearest(result, np.asarray(measured.any(0)))
    return result, measured


def _fill_from_nearest(frames: np.ndarray, shown: np.ndarray) -> None:
    """Replace pixels of frames [n, h, w] not `shown` [h, w] by the nearest shown, in place."""
    places = scipy.ndimage.distance_transform_edt(
        ~shown, return_distances=False, return_indices=True
    )
    y, x = np.nonzero(~shown)
    frames[:, y, x] = frames[:, places[0][y, x], places[1][y, x]]
