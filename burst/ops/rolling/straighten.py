"""Straighten one frame of a clip: where each of its pixels was read, at a reduced size, and one
resampling of all its planes at their full size.

Flow is smooth, so it is measured on small frames. A frame is shown as it was in the middle of its
readout, and is made from its own pixels alone; neighbours fill what it lacks at an edge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch

from burst.ops.flow import Match
from burst.ops.rolling.recording import Recording, with_shake
from burst.ops.rolling.synthesis import motion_of
from burst.ops.rolling.unroll import Clock, frame_sampling, trajectories_at

ORDER = 2  # of the motion: velocity and acceleration
NOTHING = 0.1  # px of the frame; smaller displacements are errors of the flow
LACKING = 0.05  # of a line of pixels; with less it need not be cropped
CHUNK = 256  # px a line; OpenCV resamples lists of points as images
# Of OpenCV's kernels the one that loses the least detail; 30 ms a plane of 1080p.
KERNEL = cv2.INTER_LANCZOS4


@dataclass(frozen=True)
class Straightening:
    """Where a frame shows the points of the middle of its readout.

    displacement  [2, h, w] px of the small frame, from the place in the image to that in the frame
    others        the same of its neighbours, by their places in the window
    bend          px rms of the small frame, by which displacements from before and after differ
    """

    displacement: torch.Tensor
    others: Mapping[int, torch.Tensor]
    bend: float = 0.0


def straightening(
    frames: torch.Tensor,
    matches: Mapping[tuple[int, int], Match],
    start: torch.Tensor,
    index: int,
    ratio: float,
) -> Straightening:
    """Return how frame `index` of small frames [m, h, w] (0..255) is straightened.

    Frames began at `start` [m], in frame times; each is read from the top within `ratio` frame
    times. All pairs of neighbours have their motion in `matches`.
    """
    count, height, _ = frames.shape
    times = Clock(start, torch.full((count,), ratio / height), torch.zeros(count, 2))
    recording = Recording(frames, matches, times, min(ORDER, count - 1))
    instant = times.instant(index, 0.5, height)
    recording = with_shake(recording, [instant])
    times = replace(times, shake=recording.shake_near(instant))
    recording = replace(recording, times=times)
    own = motion_of(recording, index, instant)
    motion = trajectories_at(own, times, index, instant)
    near = [k for k in (index - 1, index + 1) if 0 <= k < count]
    bend = own[1].square().mean().sqrt() * ratio**2 / 4 if len(own) > 1 else 0.0
    return Straightening(
        frame_sampling(motion, times, index, instant).displacement,
        {k: frame_sampling(motion, times, k, instant).displacement for k in near},
        float(bend),
    )


def resampled(
    planes: Sequence[np.ndarray],
    displacement: np.ndarray,
    others: Sequence[tuple[Sequence[np.ndarray], np.ndarray]] = (),
    white: int = 255,
) -> list[np.ndarray]:
    """Sample planes [h, w] of a frame, the first the largest, where a displacement [2, y, x] px of
    the small frame leads. Places outside the frame are taken from `others`, planes and displacement
    of each, and else from the edge."""
    scale = max(planes[0].shape) / max(displacement.shape[1:])
    # What stands still stays to the bit: noise of the flow does not resample it.
    size = np.hypot(*displacement) * scale
    displacement = displacement * (size / NOTHING - 1).clip(0, 1)
    if not displacement.any():
        return list(planes)
    made = []
    places: dict[tuple[int, int], np.ndarray] = {}
    for number, plane in enumerate(planes):
        if plane.shape not in places:
            places[plane.shape] = _places(displacement, plane.shape)
        at = places[plane.shape]
        image = cv2.remap(plane, at[0], at[1], KERNEL, borderMode=cv2.BORDER_REPLICATE)
        lacking = _outside(at, plane.shape)
        for there, moved in others if lacking.any() else ():
            spots = _places(moved, plane.shape)[:, lacking]
            found = ~_outside(spots, plane.shape)
            if not found.any():
                continue
            filled = np.flatnonzero(lacking)[found]
            image.reshape(-1)[filled] = _points(there[number], spots[:, found])
            lacking.reshape(-1)[filled] = False
        made.append(np.minimum(image, white) if image.dtype == np.uint16 else image)
    return made


def margins(displacement: np.ndarray) -> tuple[float, float]:
    """Return what a frame lacks at its edges at most, as shares of its height and of its width."""
    _, height, width = displacement.shape
    x, y = _places(displacement, (height, width))
    shares = []
    for place, size, axis in ((y, height, 1), (x, width, 0)):
        lacking = ((place < -0.5) | (place > size - 0.5)).mean(axis)
        deep = [min(k + 1, size - k) for k in np.flatnonzero(lacking > LACKING)]
        shares.append(max(deep, default=0) / size)
    return shares[0], shares[1]


def _places(displacement: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return the places [2, h, w] px (x, y) in a plane of a shape to which displacements lead."""
    height, width = shape
    _, rows, columns = displacement.shape
    across, down = (
        cv2.resize(one, (width, height), interpolation=cv2.INTER_LINEAR) for one in displacement
    )
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    places = np.stack([across * (width / columns) + x, down * (height / rows) + y])
    return places.astype(np.float32, copy=False)


def _outside(places: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return which places [2, ...] px lie more than half a pixel outside of a plane."""
    x, y = places
    return np.asarray((x < -0.5) | (y < -0.5) | (x > shape[1] - 0.5) | (y > shape[0] - 0.5))


def _points(plane: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Sample a plane at places [2, n] px."""
    count = places.shape[1]
    lines = np.pad(places, ((0, 0), (0, -count % CHUNK)), mode="edge").reshape(2, -1, CHUNK)
    lines = lines.astype(np.float32)
    found: np.ndarray = cv2.remap(
        plane, lines[0], lines[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return found.reshape(-1)[:count]
