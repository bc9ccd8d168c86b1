"""Straighten the frames of a clip one after another, with a window of a few frames in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import torch

from burst.clips.timing import Stretch, Timing, is_same_scene, small_luminance
from burst.files.clip import PLANAR, Clip, ClipFrame, frames_of
from burst.ops.flow import ONE_SEARCH, Match, match
from burst.ops.rolling.flicker import Change, band_gain, change_of, without_bands
from burst.ops.rolling.scans import turned, turned_back, turned_match
from burst.ops.rolling.straighten import Straightening, margins, resampled, straightening

# Longer side of the frames on which motion is measured, px: on a drawn clip of 1080p, 320 gave 42.0
# dB, 480 and 640 gave 42.7 and 42.5 dB for half as much time more each, 960 gave 41.9 dB.
LONGEST = 480
AROUND = 2  # frames before and after one, from which its motion is found
PAIRS = 8  # before a frame, from which its bands are found
LEAD = 16  # frames looked at before the first that is wanted, so that it is as in a whole run
ROOM = 1.25  # times what the frames looked at beforehand lack, by which `crop` crops


@dataclass(frozen=True)
class Straight:
    """A straightened frame.

    planes     [h, w] each
    number     of the frame, from 0
    stamp      its time, in units of the clip's `time_base`
    before     [h, w] each, as recorded
    moved      px by which the farthest pixel was displaced
    bend       px rms, by which displacements from before and after differ
    found      share of the pixels that are found again in a neighbour; 0 where there is none
    cut        whether a cut lies before it
    """

    planes: list[np.ndarray]
    number: int
    stamp: int
    before: list[np.ndarray]
    moved: float = 0.0
    bend: float = 0.0
    found: float = 0.0
    cut: bool = False


@dataclass
class _Seen:
    """A frame in the window: its place in the clip, its planes without bands, small luminance
    (turned to be read from the top) as it is and without bands, when it began (frame times), the
    motion to the next one, and the times of frames that repeat it."""

    number: int
    frame: ClipFrame
    planes: list[np.ndarray]
    small: np.ndarray
    clear: np.ndarray
    begun: float
    cut: bool = False
    onward: Match | None = None
    repeats: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Straightener:
    """Straightens a clip with a timing; `bands` says whether those of lamps are taken out."""

    clip: Clip
    timing: Timing
    bands: bool

    @property
    def ratio(self) -> float:
        """The readout, in frame times."""
        return self.timing.readout / float(self.clip.frame_time)

    def frames(self, begin: int = 0) -> Iterator[Straight]:
        """Yield straightened frames, all or those from a number on."""
        window: list[_Seen] = []
        changes: deque[Change] = deque(maxlen=PAIRS + 1)
        number = -1
        for frame in frames_of(self.clip):
            number += 1
            if number < begin - LEAD:
                continue
            if window and np.array_equal(window[-1].frame.planes[0], frame.planes[0]):
                window[-1].repeats.append(frame.stamp)
                continue
            self._take(window, changes, number, frame)
            if len(window) > AROUND:
                yield from self._made(window, len(window) - 1 - AROUND, begin)
            del window[: -2 * AROUND]
        if window:
            self._clean(window[-1], changes)
        for k in range(max(len(window) - AROUND, 0), len(window)):
            yield from self._made(window, k, begin)

    def _take(
        self, window: list[_Seen], changes: deque[Change], number: int, frame: ClipFrame
    ) -> None:
        """Put a frame at the end of the window, with the motion that leads to it."""
        small = torch.from_numpy(small_luminance(self.clip, frame, LONGEST))
        small_turned = turned(small, self.timing.scan).contiguous().numpy()
        begun = float(frame.stamp * self.clip.time_base / self.clip.frame_time)
        seen = _Seen(
            number,
            frame,
            frame.planes,
            small_turned,
            self._clear(small_turned, changes, begun),
            begun,
        )
        if window:
            last = window[-1]
            found = match(last.clear, seen.clear, ONE_SEARCH)
            if is_same_scene(last.small, seen.small, found):
                last.onward = self._watched(last, seen, found, changes)
            seen.cut = last.onward is None
            self._clean(last, changes)
            if seen.cut:
                changes.clear()
                seen.clear = seen.small
        window.append(seen)

    def _clear(self, small: np.ndarray, changes: Sequence[Change], begun: float) -> np.ndarray:
        """Return a small frame without bands, on which motion is measured."""
        if self.timing.lamp is None:
            return small
        seconds = begun * float(self.clip.frame_time)
        return without_bands(small, changes, self.timing.lamp, seconds)

    def _watched(self, last: _Seen, seen: _Seen, found: Match, changes: deque[Change]) -> Match:
        """Keep how the brightness changed from a frame to the next, and return the motion: measured
        again where no earlier change told what the bands are."""
        if self.timing.lamp is None:
            return found
        before, after = (torch.from_numpy(one.small).float() for one in (last, seen))
        unit = float(self.clip.frame_time)
        times = (last.begun * unit, seen.begun * unit)
        first = not changes
        changes.append(change_of(before, after, found, times))
        if not first:
            return found
        for one in (last, seen):
            one.clear = self._clear(one.small, changes, one.begun)
        found = match(last.clear, seen.clear, ONE_SEARCH)
        changes[-1] = change_of(before, after, found, times)
        return found

    def _clean(self, seen: _Seen, changes: deque[Change]) -> None:
        """Take the bands out of a frame, as the changes of brightness up to the next one tell."""
        lamp, scan = self.timing.lamp, self.timing.scan
        if not (lamp and self.bands and changes):
            return
        begun = seen.begun * float(self.clip.frame_time)
        lines = seen.frame.planes[0].shape[0 if scan in ("top", "bottom") else 1]
        gain = band_gain(changes, lamp, begun, lines)
        if gain is None:
            return
        gain = gain[::-1] if scan in ("bottom", "right") else gain
        planes = [
            _without(self.clip, plane, k, gain, scan) for k, plane in enumerate(seen.frame.planes)
        ]
        seen.planes = planes

    def _made(self, window: Sequence[_Seen], k: int, begin: int) -> Iterator[Straight]:
        """Yield frame k of the window straightened, and again for each frame that repeats it."""
        seen = window[k]
        if seen.number + len(seen.repeats) < begin:
            return
        first = last = k
        while first > max(k - AROUND, 0) and window[first - 1].onward:
            first -= 1
        while last < min(k + AROUND, len(window) - 1) and window[last].onward:
            last += 1
        made = Straight(
            list(seen.planes), seen.number, seen.frame.stamp, seen.frame.planes, cut=seen.cut
        )
        if last > first:
            near = window[first : last + 1]
            made = self._straight(made, near, k - first)
        for again, stamp in enumerate((made.stamp, *seen.repeats)):
            if seen.number + again >= begin:
                yield replace(made, number=seen.number + again, stamp=stamp)

    def _straight(self, made: Straight, near: Sequence[_Seen], k: int) -> Straight:
        frames = torch.from_numpy(np.stack([one.clear for one in near])).float()
        matches = {(i, i + 1): one.onward for i, one in enumerate(near[:-1]) if one.onward}
        start = torch.tensor([one.begun - near[k].begun for one in near])
        found = straightening(frames, matches, start, k, self.ratio)
        scan, (height, width) = self.timing.scan, near[k].frame.planes[0].shape
        displacement = turned_back(found.displacement, scan).numpy()
        others = [
            (near[i].planes, turned_back(one, scan).numpy()) for i, one in found.others.items()
        ]
        planes = resampled(near[k].planes, displacement, others, 2**self.clip.bits - 1)
        scale = max(height, width) / max(displacement.shape[1:])
        trusts = [match.forth_trust if pair[0] == k else match.back_trust
                  for pair, match in matches.items() if k in pair]  # fmt: skip
        return replace(
            made,
            planes=planes,
            moved=float(np.hypot(*displacement).max()) * scale,
            bend=found.bend * scale,
            found=float(torch.stack(trusts).amax(0).gt(0.5).float().mean()),
        )


def lacking(clip: Clip, timing: Timing, stretches: Sequence[Stretch]) -> tuple[float, float]:
    """Return the shares of height and width to crop at each side, so that frames lack nothing."""
    most = [0.0, 0.0]
    for stretch in stretches:
        smalls = [turned(torch.from_numpy(one), timing.scan).float() for one in stretch.frames]
        motions = [turned_match(one, timing.scan) for one in stretch.matches]
        begun = torch.tensor(stretch.begun) / float(clip.frame_time)
        for k in range(len(smalls)):
            first, last = max(k - 1, 0), min(k + 1, len(smalls) - 1)
            pairs = {(i - first, i - first + 1): motions[i] for i in range(first, last)}
            window, start = (
                torch.stack(smalls[first : last + 1]),
                begun[first : last + 1] - begun[k],
            )
            ratio = timing.readout / float(clip.frame_time)
            found: Straightening = straightening(window, pairs, start.float(), k - first, ratio)
            sides = margins(turned_back(found.displacement, timing.scan).numpy())
            most = [max(one, side) for one, side in zip(most, sides, strict=True)]
    return min(ROOM * most[0], 0.25), min(ROOM * most[1], 0.25)


def cropped(planes: Sequence[np.ndarray], shares: tuple[float, float]) -> list[np.ndarray]:
    """Return planes cropped by shares of height and width, in whole blocks of colour."""
    parts = []
    height, width = planes[0].shape
    steps = [round(share * side / 4) for share, side in zip(shares, (height, width), strict=True)]
    for plane in planes:
        rows, columns = (
            step * 4 * small // side
            for step, small, side in zip(steps, plane.shape, (height, width), strict=True)
        )
        parts.append(plane[rows : plane.shape[0] - rows, columns : plane.shape[1] - columns])
    return parts


def _without(clip: Clip, plane: np.ndarray, number: int, gain: np.ndarray, scan: str) -> np.ndarray:
    """Return a plane divided by the gain of its lines, about black or about no colour."""
    across = scan in ("left", "right")
    lines = plane.shape[1] if across else plane.shape[0]
    each = cv2.resize(gain[:, None], (1, lines), interpolation=cv2.INTER_AREA)
    each = each.reshape(1, -1) if across else each
    zero = 2.0 ** (clip.bits - 1) if number else clip.black
    values = (plane.astype(np.float32) - zero) / each + zero
    return np.rint(values).clip(0, 2**clip.bits - 1).astype(plane.dtype)


def colours(clip: Clip, planes: Sequence[np.ndarray]) -> np.ndarray:
    """Return planes as an image [h, w, 3] uint8 for a display, blue first."""
    height, width = planes[0].shape
    eight = []
    for k, plane in enumerate(planes):
        values = plane.astype(np.float32) / 2 ** (clip.bits - 8)
        if clip.program is not None and clip.black:
            # Limited range: luminance spans 219 steps, colour differences 224.
            values = (values - (128 if k else 16)) * (255 / (224 if k else 219)) + (128 if k else 0)
        whole = cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR)
        eight.append(np.rint(whole).clip(0, 255).astype(np.uint8))
    if len(eight) == 1:
        return np.asarray(cv2.cvtColor(eight[0], cv2.COLOR_GRAY2BGR))
    luminance, *differences = eight
    # FFmpeg stores blue's difference first, OpenCV's conversion takes red's first.
    order = differences[::-1] if PLANAR.match(clip.pixels) else differences
    return np.asarray(cv2.cvtColor(cv2.merge([luminance, *order]), cv2.COLOR_YCrCb2BGR))
