"""Bands of lamps that flicker: what they tell of the readout, and how to take them out.

A lamp on the mains flickers at twice its frequency. Rows that are read one after another sample it,
so that the brightness of row y of a frame that began at t is exp(a cos(2 pi f (t + readout y / h) +
phase)). What changes along the motion from one frame to the next is the flicker alone, whatever the
scene and the camera do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from burst.ops.flow import Match
from burst.ops.rolling.scans import SCANS, opposite, turned, turned_match
from burst.ops.vertex import vertex
from burst.ops.warp import warp

LAMPS = (100.0, 120.0)  # Hz, on mains of 50 and 60 Hz
# Of 255; darker pixels tell little, as their values are coarse, and brighter ones are clipped.
DARK, BRIGHT = 24.0, 235.0
MOST = 0.25  # of the logarithm; larger deviations from the row's median are something else
RATIOS = np.arange(0.1, 1.0001, 0.01)
FINE = 0.0005  # of the ratio
# Chosen by hand: of seven drawn clips with bands of 2 to 8 % .96 and more was explained.
MIN_EXPLAINED = 0.4
LEAST_LEAD = 0.05  # of what is explained, over the opposite direction of the readout
MIN_BAND = 0.004  # amplitude of the logarithm; weaker bands are not seen
MOST_ERROR = 0.15  # of the amplitude, as it is known in a frame; else its bands are kept


@dataclass(frozen=True)
class Change:
    """How much brighter [h] rows became from one frame to the next (logarithm), how far they moved
    down [h] px, and how many pixels [h] tell so. Frames began at `times`, s."""

    times: tuple[float, float]
    brighter: np.ndarray
    down: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class Flicker:
    """A lamp's frequency (Hz), the readout (s) that its bands tell, from where it begins, which
    share of the changes of brightness it explains, and the amplitude of the logarithm."""

    frequency: float
    readout: float
    scan: str
    explained: float
    amplitude: float


def change_of(
    first: torch.Tensor, second: torch.Tensor, match: Match, times: tuple[float, float]
) -> Change:
    """Return the change between two frames [h, w] (0..255, black 0) that began at `times`, s."""
    later = warp(second[None], match.forth[None], mode="bilinear")[0]
    lit = (torch.minimum(first, later) > DARK) & (torch.maximum(first, later) < BRIGHT)
    lit = lit & (match.forth_trust > 0.5)
    change = (later.clamp(min=1) / first.clamp(min=1)).log()
    change = torch.where(lit, change, torch.nan)
    typical = change.nanmedian(1, keepdim=True).values
    counts = lit & ((change - typical).abs() < MOST)
    weight = counts.sum(1).clamp(min=1)
    mean = torch.where(counts, change, 0.0).sum(1) / weight
    down = torch.where(counts, match.forth[1], 0.0).sum(1) / weight
    return Change(times, mean.numpy(), down.numpy(), counts.sum(1).double().numpy())


def find_flicker(
    bursts: Sequence[Sequence[tuple[torch.Tensor, torch.Tensor, Match, tuple[float, float]]]],
    frame_time: float,
    scans: Sequence[str] = SCANS,
) -> Flicker | None:
    """Return the flicker that the pairs of several bursts show, each with what `change_of` takes;
    None where there is none, or its bands stand still."""
    found: list[Flicker] = []
    for scan in scans:
        changes = [
            [
                change_of(turned(a, scan), turned(b, scan), turned_match(match, scan), times)
                for a, b, match, times in burst
            ]
            for burst in bursts
        ]
        for frequency in LAMPS:
            found.append(_best(changes, frequency, frame_time, scan))
    found.sort(key=lambda one: one.explained, reverse=True)
    best = found[0]
    if best.explained < MIN_EXPLAINED or best.amplitude < MIN_BAND:
        return None
    mirror = [one.explained for one in found if one.scan == opposite(best.scan)]
    # Where the phase steps by half a turn a frame, both directions look alike.
    if mirror and best.explained - max(mirror) < LEAST_LEAD and opposite(best.scan) == "top":
        return next(one for one in found if one.scan == "top")
    return best


def band_gain(
    changes: Sequence[Change], lamp: Flicker, begun: float, height: int
) -> np.ndarray | None:
    """Return by how much [height] the rows of a frame that began at `begun` s are to be divided, as
    the changes of pairs near it tell; None where they do not tell it well."""
    matrix, wanted, left, counted = np.zeros((2, 2)), np.zeros(2), 0.0, 0.0
    for change in changes:
        basis, brighter, weight = _centred(change, lamp.frequency, lamp.readout)
        matrix += (basis * weight) @ basis.T
        wanted += (basis * weight) @ brighter
    if np.linalg.cond(matrix) > 1e6:
        return None
    answer = np.linalg.solve(matrix, wanted)
    for change in changes:
        basis, brighter, weight = _centred(change, lamp.frequency, lamp.readout)
        left += float((weight * (brighter - answer @ basis) ** 2).sum())
        counted += float((weight > 0).sum())
    error = np.sqrt(np.trace(np.linalg.inv(matrix)) * left / max(counted - 2, 1))
    size = float(np.hypot(*answer))
    if size < MIN_BAND / 2 or error > MOST_ERROR * size:
        return None
    phase = _phase(lamp.frequency, begun + lamp.readout * (np.arange(height) + 0.5) / height)
    return np.asarray(np.exp(answer @ phase), np.float32)


def without_bands(
    frame: np.ndarray, changes: Sequence[Change], lamp: Flicker, begun: float
) -> np.ndarray:
    """Return a frame [h, w] uint8 (black 0, read from the top) without its bands, which flow would
    take for motion; as it is where the changes do not tell them."""
    gain = band_gain(changes, lamp, begun, len(frame)) if changes else None
    if gain is None:
        return frame
    return np.asarray(np.rint(frame / gain[:, None]).clip(0, 255), np.uint8)


def _best(
    changes: Sequence[Sequence[Change]], frequency: float, frame_time: float, scan: str
) -> Flicker:
    """Return the readout that explains most at a frequency."""
    shares = np.array([_explained(changes, frequency, r * frame_time)[0] for r in RATIOS])
    ratio = float(RATIOS[int(shares.argmax())])
    for step in (0.002, FINE):
        near = ratio + step * np.arange(-6, 7)
        shares = np.array([_explained(changes, frequency, r * frame_time)[0] for r in near])
        best = int(shares.argmax())
        ratio = float(near[best])
    if 0 < best < len(near) - 1:
        ratio += FINE * float(vertex(*torch.from_numpy(-shares[best - 1 : best + 2])))
    share, size = _explained(changes, frequency, ratio * frame_time)
    return Flicker(frequency, ratio * frame_time, scan, share, size)


def _explained(
    changes: Sequence[Sequence[Change]], frequency: float, readout: float
) -> tuple[float, float]:
    """Return the share of the changes that a flicker explains, whose phase each burst has of its
    own, and its mean amplitude."""
    total, left, sizes = 0.0, 0.0, []
    for burst in changes:
        parts = [_centred(change, frequency, readout) for change in burst]
        basis, brighter, weight = (
            np.concatenate([part[i] for part in parts], -1) for i in range(3)
        )
        matrix = (basis * weight) @ basis.T
        answer = np.linalg.lstsq(matrix, (basis * weight) @ brighter, rcond=1e-6)[0]
        total += float((weight * brighter**2).sum())
        left += float((weight * (brighter - answer @ basis) ** 2).sum())
        sizes.append(float(np.hypot(*answer)))
    return 1 - left / max(total, 1e-12), float(np.mean(sizes)) if sizes else 0.0


def _centred(
    change: Change, frequency: float, readout: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what a flicker of cosine and sine phase would change [2, h], what changed [h], both
    without their means, as the exposure may change, and the weights [h]."""
    height = len(change.brighter)
    row = np.arange(height) + 0.5
    first, second = change.times
    basis = _phase(frequency, second + readout * (row + change.down) / height) - _phase(
        frequency, first + readout * row / height
    )
    weight = change.weight / max(change.weight.sum(), 1)
    basis = basis - (basis * weight).sum(1, keepdims=True)
    return basis, change.brighter - (change.brighter * weight).sum(), weight


def _phase(frequency: float, times: np.ndarray) -> np.ndarray:
    """Return the cosine and sine [2, ...] of a frequency (Hz) at times, s."""
    turn = 2 * np.pi * np.remainder(frequency * times, 1)
    return np.stack([np.cos(turn), np.sin(turn)])
