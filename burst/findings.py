"""What stages find, beside the tensors of a `Burst`: a frozen record for each that others use.

Axes as in `burst.records`: n frames of the stack, t instants, h rows, w columns, k frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from burst.config import checked

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


class NotGivenError(LookupError):
    """Something is read that no stage has given."""


def given(value: T | None) -> T:
    """Return a field of a `Burst` that is known to be there: it stands in the stage's NEEDS.

    NotGivenError where it is not; `pipeline.run_step` says which stage reads it.
    """
    if value is None:
        raise NotGivenError("expected a field that an earlier stage gives, found None.")
    return value


@checked
@dataclass(frozen=True)
class Level:
    """How hard a stack is: noise std at mid grey (linear), displacement rms (px per axis)."""

    noise: float
    displacement: float


@dataclass(frozen=True)
class Selection:
    """How sharp each frame of the stack is [n], against the mean; None for a frame that was left
    out before."""

    sharpness: tuple[float | None, ...]


@dataclass(frozen=True)
class Alignment:
    """How well frames were aligned, and where the image lies.

    misfit  variance of what alignment leaves, in units of the noise
    corner  (x, y) px, of the image's upper left corner in the mean frame; None where frames merely
            shift a little and the image is on their own grid
    """

    misfit: float
    corner: tuple[int, int] | None = None


@dataclass(frozen=True)
class Turbulence:
    """How strong the air is: D/r0 of the blur, and D/r0 as the displacements alone suggest it; and
    how wide the blur is.

    source                where the PSF comes from
    half_height           cycles per pixel at which the PSF's transfer function falls to half
    half_height_believed  that of the blur as measured; None where the PSF was told
    """

    d_over_r0: float
    d_over_r0_of_motion: float
    source: Literal["motion", "witnesses", "none", "settings"] = "settings"
    half_height: float | None = None
    half_height_believed: float | None = None


@dataclass(frozen=True)
class Merging:
    """How good the merged image is: std of its noise (linear), and by how many equally weighted
    frames it would have that noise."""

    noise_std: float
    effective_frames: float


@dataclass(frozen=True)
class Unrolled:
    """How frames became images of instants. Times are in frame times, of a pair in readouts.

    shutter           of the frames
    instants          [t] when the images are of
    kept              numbers of the frames that show them
    start, pace       [n] row y of frame k was read at start[k] + pace[k] * y
    frame_time        seconds from one frame to the next
    displacement_rms  px, by which points move from one frame to the next
    readout_ratio     readout in frame times; None for a pair, whose unit of time it is
    readout_range     (low, high) of the ratios that fit nearly as well, where it was estimated
    offset            (dx, dy) px, of the second frame of each pair against the first
    """

    shutter: Literal["rolling", "dual_reversed", "global_reset"]
    instants: tuple[float, ...]
    kept: tuple[int, ...]
    start: tuple[float, ...]
    pace: tuple[float, ...]
    frame_time: float
    displacement_rms: float
    readout_ratio: float | None = None
    readout_range: tuple[float, float] | None = None
    offset: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Views:
    """What each of k frames alone shows of t instants, the closest frame first; half precision.

    images    [t, k, c, h, w], in the units of the image that was made of them
    later     [t, k, h, w] how long after the instant a point was seen, in frame times
    trust     [t, k, h, w] how surely it is the point that is seen, and nothing before it; 0..1
    velocity  [t, 2, h, w] by how far the points move, px a frame time
    exposure  [h] for how long a row was exposed, in frame times; 0 is not known
    gain      [h] what a row gathered more of light than in `exposure_time`, and was divided by

    The frame time of a dual reversed pair is its readout.
    """

    images: torch.Tensor
    later: torch.Tensor
    trust: torch.Tensor
    velocity: torch.Tensor
    exposure: torch.Tensor
    gain: torch.Tensor


@dataclass(frozen=True)
class Correction:
    """Which network corrected the image: name or path of its checkpoint, the file's SHA-256, where
    the prior came from; and by how much (rms, encoded)."""

    checkpoint: str
    sha256: str
    prior: str
    rms: float
