"""How long the rows of a clip take to be read, and from which side: by what its file says, by the
bands of lamps, by the motion, and by what is published of the camera, in this order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import cv2
import numpy as np
import torch

from burst.clips.cameras import Said, logged_readout, published_readout, stated_readout
from burst.files.clip import Clip, ClipFrame, frames_of
from burst.ops.flow import ONE_SEARCH, Match, match
from burst.ops.rolling.bands import camera_motion
from burst.ops.rolling.camera_path import (
    CLEARLY_MORE,
    LEAST_LEAD,
    BandMotion,
    bending,
    readout_from_path,
)
from burst.ops.rolling.flicker import Flicker, change_of, find_flicker, without_bands
from burst.ops.rolling.readout import MIN_PAIRS, WIDEST_RANGE
from burst.ops.rolling.scans import SCANS, opposite, turned, turned_match
from burst.progress import counted
from burst.records import StackError

LONGEST = 1.01  # readout, in frame times: frame rates are rounded
LONGEST_PROBED = 480  # px, the longer side of the frames that are looked at beforehand
# Shares of the clip; frames at each. On drawn clips stretches of 12 frames misled the motion.
PLACES, LENGTH = (0.1, 0.6), 24
MOST_BRIGHTER = 64.0  # of 255, by which a frame is brighter than the next; more is a cut
MIN_FOUND = 0.2  # of the pixels, found again in the next frame; fewer are a cut


@dataclass(frozen=True)
class Timing:
    """The readout of a clip, s, from where it begins, which source decided, what every source said,
    and the lamp whose bands are seen."""

    readout: float
    scan: str
    source: str
    said: tuple[Said, ...] = ()
    lamp: Flicker | None = None


@dataclass(frozen=True)
class Stretch:
    """Neighbouring frames, small: luminance [h, w] uint8, when they began (s), and the motion."""

    frames: list[np.ndarray]
    begun: list[float]
    matches: list[Match] = field(default_factory=list)


def small_luminance(clip: Clip, frame: ClipFrame, longest: int) -> np.ndarray:
    """Return the luminance [h, w] uint8 of a frame, black 0, at most `longest` px wide or high."""
    plane = frame.planes[0]
    scale = min(1.0, longest / max(plane.shape))
    size = (max(round(plane.shape[1] * scale), 1), max(round(plane.shape[0] * scale), 1))
    small = cv2.resize(plane, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    white = 255.0 if clip.black == 0 else 235.0
    top = (2**clip.bits - 1) if clip.black == 0 else white * 2 ** (clip.bits - 8)
    return np.asarray(((small - clip.black) * (255 / (top - clip.black))).clip(0, 255), np.uint8)


def find_timing(
    clip: Clip, readout: float | None, scan: str | None
) -> tuple[Timing, list[Stretch]]:
    """Return the timing of a clip, and the frames that told it; a `readout` (s) and a `scan` that
    are told decide. StackError where nothing tells it."""
    stretches = _looked_at(clip)
    frame_time = float(clip.frame_time)
    scans = SCANS if scan is None else (scan,)
    pairs = [_pairs_of(stretch) for stretch in stretches]
    lamp = find_flicker(pairs, frame_time, scans) if pairs else None
    if lamp is not None:
        # Bands look like motion: without them the motion, and so the bands, are known better.
        stretches = [_without_bands(stretch, lamp) for stretch in stretches]
        again = find_flicker([_pairs_of(one) for one in stretches], frame_time, (lamp.scan,))
        lamp = again or lamp
    by_motion, moved_scan = Said("motion", words="not looked at: bands look like motion"), ""
    if lamp is None:
        by_motion, moved_scan = _by_motion(stretches, scans, frame_time)
    published = published_readout(clip.tags, min(clip.height, clip.width))
    seen = Said("bands", words="none that move")
    if lamp is not None:
        words = (
            f"{lamp.frequency:g} Hz, {lamp.explained:.0%} of the changes of brightness explained"
        )
        seen = Said.exactly("bands", lamp.readout, words)
    said = (
        stated_readout(clip.tags) or logged_readout(clip.path) or Said("metadata", words="nothing"),
        seen,
        by_motion,
        published or Said("published", words="nothing"),
    )
    side = scan or (lamp.scan if lamp else moved_scan) or "top"
    if readout is not None:
        return Timing(readout, side, "told", said, lamp), stretches
    for one in said:
        decided = 0 < one.readout <= LONGEST * frame_time
        if decided and (one.source != "motion" or one.high - one.low <= WIDEST_RANGE * frame_time):
            timing = Timing(min(one.readout, frame_time), side, one.source, said, lamp)
            return timing, stretches
    raise StackError(
        f"{clip.path}: expected its tags, bands of lamps, its motion or its camera to tell how long"
        f" a frame takes to be read, found none of them ({by_motion.words}). Pass --readout 0.8, as"
        " a share of the frame time, or --readout 16ms."
    )


def _without_bands(stretch: Stretch, lamp: Flicker) -> Stretch:
    """Return frames with the motion between them as it is found without their bands."""
    scan = lamp.scan
    changes = [
        change_of(turned(first, scan), turned(second, scan), turned_match(motion, scan), times)
        for first, second, motion, times in _pairs_of(stretch)
    ]
    clear = []
    for frame, begun in zip(stretch.frames, stretch.begun, strict=True):
        lines = turned(torch.from_numpy(frame), scan).numpy()
        made = torch.from_numpy(without_bands(lines, changes, lamp, begun))
        back = made.flip(-2) if scan in ("bottom", "right") else made
        clear.append((back.mT if scan in ("left", "right") else back).contiguous().numpy())
    matches = [match(first, second, ONE_SEARCH) for first, second in pairwise(clear)]
    return replace(stretch, matches=matches)


def _looked_at(clip: Clip) -> list[Stretch]:
    """Return stretches of frames from several places of a clip, or one of a short clip."""
    short = clip.count < 2 * LENGTH * len(PLACES)
    places = (0.0,) if short else PLACES
    count = LENGTH * (len(PLACES) if short else 1)
    stretches: list[Stretch] = []
    for share in counted(places, "unroll: places looked at"):
        frames = list(frames_of(clip, share * clip.seconds, count))
        stretches.extend(_stretches_of(clip, frames))
    return stretches


def _stretches_of(clip: Clip, frames: Sequence[ClipFrame]) -> list[Stretch]:
    """Return frames as stretches that end at cuts, without frames that are repeated."""
    found: list[Stretch] = []
    stretch: Stretch | None = None
    for frame in frames:
        small, begun = small_luminance(clip, frame, LONGEST_PROBED), frame.stamp * clip.time_base
        if stretch is not None:
            if np.array_equal(stretch.frames[-1], small):
                continue
            motion = match(stretch.frames[-1], small, ONE_SEARCH)
            if is_same_scene(stretch.frames[-1], small, motion):
                stretch.frames.append(small)
                stretch.begun.append(float(begun))
                stretch.matches.append(motion)
                continue
        stretch = Stretch([small], [float(begun)])
        found.append(stretch)
    return [stretch for stretch in found if stretch.matches]


def is_same_scene(first: np.ndarray, second: np.ndarray, motion: Match) -> bool:
    """Return whether enough of a frame [h, w] (0..255) is found in the next, and as bright."""
    if abs(float(first.mean()) - float(second.mean())) > MOST_BRIGHTER:
        return False
    return float(motion.forth_trust.gt(0.5).float().mean()) >= MIN_FOUND


def _pairs_of(
    stretch: Stretch,
) -> list[tuple[torch.Tensor, torch.Tensor, Match, tuple[float, float]]]:
    frames = [torch.from_numpy(frame).float() for frame in stretch.frames]
    return [
        (frames[k], frames[k + 1], motion, (stretch.begun[k], stretch.begun[k + 1]))
        for k, motion in enumerate(stretch.matches)
    ]


def _by_motion(
    stretches: Sequence[Stretch], scans: Sequence[str], frame_time: float
) -> tuple[Said, str]:
    """Return what the motion says of the readout, and from where it begins."""
    used = [stretch for stretch in stretches if len(stretch.matches) >= MIN_PAIRS]
    if not used:
        return Said("motion", words=f"fewer than {MIN_PAIRS + 1} frames follow one another"), ""
    axes = dict.fromkeys("left" if scan in ("left", "right") else "top" for scan in scans)
    motions = {axis: [_motion(one, axis, frame_time) for one in used] for axis in axes}
    bent = {axis: bending(each) for axis, each in motions.items()}
    axis = "left" if bent.get("left", 0) > CLEARLY_MORE * bent.get("top", 0) else next(iter(axes))
    found = {axis: readout_from_path(motions[axis])} if axis in scans else {}
    if (back := opposite(axis)) in scans:
        found[back] = readout_from_path([one.mirrored() for one in motions[axis]])
    scan = next(iter(found))
    if len(found) == 2 and found[axis].cost - found[back].cost > LEAST_LEAD:
        scan = back
    best = found[scan]
    words = f"{best.low:.2f} to {best.high:.2f} of the frame time fit alike"
    spans = (frame_time * one for one in (best.ratio, best.low, best.high))
    readout, low, high = spans
    return Said("motion", readout, low, high, words), scan


def _motion(stretch: Stretch, scan: str, frame_time: float) -> BandMotion:
    """Return the camera's motion in frames that are turned as if they were read from the top."""
    frames = [
        turned(torch.from_numpy(frame), scan).contiguous().numpy() for frame in stretch.frames
    ]
    moved = []
    for k, found in enumerate(stretch.matches):
        motion = turned_match(found, scan)
        flow, trust = motion.forth.contiguous(), motion.forth_trust.contiguous()
        moved.append(camera_motion(frames[k], frames[k + 1], flow, trust))
    begun = (np.array(stretch.begun) - stretch.begun[0]) / frame_time
    return BandMotion(np.stack(moved), begun, frames[0].shape[0])
