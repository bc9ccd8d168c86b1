"""Follow a disc, or the detail of a surface, that drifts through the frames, and cut around it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import torch

from burst.mapped import each_frame, forget_now_and_then, room_for_frames
from burst.ops.alignment.shifts import correlate
from burst.records import Stack, Track

SEARCHED = 160  # px, longest side of the binned frames in which discs are looked for
EDGE = 0.25  # of the disc's brightness, where it ends; limbs are dark
FAINT = 0.3  # of the usual brightness, below which a frame shows no disc: clouds, or nothing
SMALLER, LARGER = 0.75, 1.4  # of the usual area
ROUND = 0.4  # of the circle around a disc, that a crescent or a planet with rings still fills
OF_FRAMES = 0.3  # with a disc from edge to edge; it may leave the field for long
DARK_SKY, STAR = 0.03, 4.0  # of the brightest; px of radius. Chosen by hand
STEADY = 12.0  # px of drift that needs no cutting: air and shaking move a surface as much
LOW_PASS = 0.16  # cycles per binned pixel
KEY_MOVED = 0.25  # of a frame, after which the surface is compared with a newer frame
LEAST_SHOWN = 0.5  # of a frame's side, that the cut-out of a surface has at least


@dataclass(frozen=True)
class Discs:
    """The brightest connected part of each frame, in px: centre [n, 2], area [n], the radius of the
    smallest circle around it [n], whether it touches the border [n], and its light [n]."""

    centre: np.ndarray
    area: np.ndarray
    around: np.ndarray
    cut: np.ndarray
    peak: np.ndarray
    light: np.ndarray


def find_discs(frames: np.ndarray) -> Discs:
    """Return the brightest part of each frame [n, h, w]."""
    step = max(1, round(max(frames.shape[1:]) / SEARCHED))
    found = [_disc(binned(frame, step)) for frame in each_frame(frames)]
    centre, area, around, cut, peak, light = (np.array(each) for each in zip(*found, strict=True))
    return Discs((centre + 0.5) * step - 0.5, area * step**2, around * step, cut, peak, light)


def judge_discs(discs: Discs) -> dict[int, str] | None:
    """Return the frames that show no whole disc, and why; None where few show one, and what they
    show is a surface."""
    usual = np.quantile(discs.peak, 0.9)
    there = discs.peak >= FAINT * usual
    whole = there & ~discs.cut & (discs.area > ROUND * np.pi * discs.around**2)
    if whole.sum() < max(2, OF_FRAMES * len(whole)):
        return None
    area = np.median(discs.area[whole])
    reasons = {}
    for number in range(len(whole)):
        share = discs.area[number] / area
        if not there[number] or (share < SMALLER**2 and not discs.cut[number]):
            reasons[number] = "no disc is seen in it"
        elif discs.cut[number]:
            reasons[number] = "the frame's border cuts the disc"
        elif not SMALLER <= share <= LARGER:
            reasons[number] = "its disc is not as large as the others'"
    return reasons


def shows_planet(frames: np.ndarray, image: torch.Tensor) -> bool:
    """Return whether frames [n, h, w], of which an image [h, w] was made, show a disc before a dark
    sky, larger than a star."""
    light = image.cpu().numpy()
    if np.quantile(light, 0.1) > DARK_SKY * light.max():
        return False
    discs = find_discs(frames)
    return bool(np.median(discs.area) > np.pi * STAR**2) and judge_discs(discs) is not None


def track_discs(discs: Discs, kept: np.ndarray, size: tuple[int, int], margin: float) -> Track:
    """Return where to cut frames of size (h, w): squares around the discs, with a margin in
    diameters on each side."""
    radius = float(np.sqrt(np.median(discs.area[kept]) / np.pi))
    extent = max(radius, float(np.median(discs.around[kept])))
    side = 2 * round(extent + 2 * radius * margin)
    height, width = (min(side, length) for length in size)
    middle = np.array([width, height]) / 2 - 0.5
    corner = np.rint(discs.centre - middle).astype(int)
    centre = discs.centre - corner
    return Track(_pairs(corner), (height, width), _pairs(centre), radius)


def surface_shifts(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return by how much [n, 2] (x, y) px the surface in each frame [n, h, w] lies off that of the
    first one, and which frames show it [n]; each is compared with one that was not long before."""
    step = max(1, round(max(frames.shape[1:]) / SEARCHED))
    most = KEY_MOVED * np.array(frames.shape[:0:-1]) / step
    shifts, clear = np.zeros((len(frames), 2)), np.ones(len(frames), bool)
    key, key_shift, last, last_shift = None, np.zeros(2), None, np.zeros(2)
    for number, frame in enumerate(each_frame(frames)):
        shown = torch.from_numpy(binned(frame, step))
        if key is None:
            key = last = shown
            continue
        found, is_clear = correlate(shown[None], key, LOW_PASS)
        shift = found[0].numpy() + key_shift
        if not is_clear[0] and last is not None:
            found, is_clear = correlate(shown[None], last, LOW_PASS)
            shift = found[0].numpy() + last_shift
        clear[number], shifts[number] = bool(is_clear[0]), shift
        if is_clear[0]:
            last, last_shift = shown, shift
            if (np.abs(shift - key_shift) > most).any():
                key, key_shift = shown, shift
    return shifts * step, clear


def track_surface(
    shifts: np.ndarray, clear: np.ndarray, size: tuple[int, int]
) -> tuple[Track, dict[int, str]] | None:
    """Return where to cut frames of size (h, w) so that all show the same part of the surface, and
    which do not show it; None where it hardly drifts."""
    shape = np.array(size[::-1])
    low, high = shifts[clear].min(0), shifts[clear].max(0)
    if (high - low).max() < STEADY:
        return None
    least = np.ceil(LEAST_SHOWN * shape)
    width, height = np.maximum(shape - np.ceil(high - low), least).astype(int).tolist()
    # Where the drift is larger than that, the part is in the middle of the way.
    room = shape - (width, height)
    first = np.rint(np.where(room >= high - low, -low, room / 2 - np.median(shifts[clear], 0)))
    corner = np.rint(shifts + first).astype(int)
    inside = ((corner >= 0) & (corner <= room)).all(1)
    reasons = {
        number: "it does not show the part of the surface that most frames show"
        if clear[number]
        else "the detail of the others is not seen in it"
        for number in np.flatnonzero(~(inside & clear)).tolist()
    }
    return Track(_pairs(corner.clip(0, room)), (height, width)), reasons


def cut_out(stack: Stack, track: Track) -> Stack:
    """Return a stack with its frames cut around what is followed. Where a cut-out reaches beyond
    the frame it shows the sky of the opposite side, whose noise is real."""

    def cut(values: np.ndarray) -> np.ndarray:
        made = room_for_frames((stack.count, *track.size, *values.shape[3:]), values.dtype)
        for number, (left, top) in enumerate(track.corner):
            rows = np.arange(top, top + track.size[0]) % stack.height
            columns = np.arange(left, left + track.size[1]) % stack.width
            made[number] = values[number][rows[:, None], columns[None]]
            forget_now_and_then(values, number)
        return made

    colour, measured = stack.colour, stack.measured
    return replace(
        stack,
        frames=cut(stack.frames),
        colour=None if colour is None else cut(colour),
        measured=None if measured is None else cut(measured),
    )


def binned(frame: np.ndarray, step: int) -> np.ndarray:
    """Return a frame [h, w] with `step` x `step` pixels averaged, as float32."""
    size = (frame.shape[1] // step, frame.shape[0] // step)
    part = np.ascontiguousarray(frame[: size[1] * step, : size[0] * step], np.float32)
    return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA))


def _disc(frame: np.ndarray) -> tuple[tuple[float, float], int, float, bool, float, float]:
    """Return the centre (x, y), area, radius of the circle around it, whether it touches the
    border, brightness and light of the largest bright part of a binned frame [h, w]."""
    calm = cv2.medianBlur(frame, 3)  # single hot pixels are no disc
    sky, peak = np.quantile(calm, 0.1), float(calm.max())
    bright = (calm > sky + EDGE * (peak - sky)).astype(np.uint8)
    _, labels, stats, centres = cv2.connectedComponentsWithStats(bright)
    if len(stats) < 2:
        return (0.0, 0.0), 0, 0.0, False, 0.0, 0.0
    best = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    left, top, width, height, area = stats[best].tolist()
    ends = frame.shape[1] - left - width, frame.shape[0] - top - height
    inside = labels == best
    points = np.argwhere(inside).astype(np.float32)
    _, around = cv2.minEnclosingCircle(points)
    light = float((frame[inside] - sky).sum())
    cut = min(left, top, *ends) <= 0
    x, y = centres[best].tolist()
    return (x, y), int(area), around + 0.5, cut, peak - float(sky), light


def _pairs(values: np.ndarray) -> tuple[tuple[Any, Any], ...]:
    return tuple((x, y) for x, y in values.tolist())
