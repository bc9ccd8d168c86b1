"""Results of stages besides the tensors of a `Burst`: one frozen record for each that others use.

Axes as in `burst.records`: n frames of the stack, t instants, h rows, w columns, k frames.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeVar

from burst.lazy import torch
from burst.settings import checked

T = TypeVar("T")


class NotGivenError(LookupError):
    """A field is read that no stage has filled."""


def given(value: T | None) -> T:
    """Return a field of a `Burst` that is not None, because it is in the stage's NEEDS.

    NotGivenError where it is None; `pipeline.run_step` adds which stage reads it.
    """
    if value is None:
        raise NotGivenError("expected a field that an earlier stage gives, found None.")
    return value


@checked
@dataclass(frozen=True)
class Level:
    """The difficulty of a stack: noise std at mid grey (linear), displacement rms (px per axis)."""

    noise: float
    displacement: float


@dataclass(frozen=True)
class Selection:
    """The sharpness of each frame [n] over the mean, None for a frame left out before; and the
    share of the frames that counts in each tile, 1 where frames are kept or left out whole."""

    sharpness: tuple[float | None, ...]
    share: float = 1.0


@dataclass(frozen=True)
class Track:
    """Where a disc or the detail of a surface was found, and how the frames were cut around it.

    corner  [n, 2] (x, y) px of the cut-out's upper left corner in each frame of the stack
    size    (h, w) px of the cut-out
    centre  [n, 2] (x, y) px of the disc's centre in the cut-out; None where there is no disc
    radius  px of the disc; None where there is no disc
    """

    corner: tuple[tuple[int, int], ...]
    size: tuple[int, int]
    centre: tuple[tuple[float, float], ...] | None = None
    radius: float | None = None


@dataclass(frozen=True)
class Rotation:
    """How a planet turns within a recording.

    recorded  [n, h, w] linear frames as they were recorded, before they were turned to one time
    angle     [n] rad by which each frame is turned against that time
    centre    [n, 2] (x, y) px of the disc's centre in each frame
    globe     radius px, flattening, tilt and latitude rad, as `ops.sphere.Globe` has them
    """

    recorded: torch.Tensor = field(compare=False)
    angle: torch.Tensor = field(compare=False)
    centre: torch.Tensor = field(compare=False)
    globe: tuple[float, float, float, float]


@dataclass(frozen=True)
class Alignment:
    """The quality of alignment, and the position of the image.

    misfit  variance of the differences that remain after alignment, in units of the noise
    corner  (x, y) px of the image's upper left corner in the mean frame; None where the image is on
            the frames' own grid
    """

    misfit: float
    corner: tuple[int, int] | None = None


@dataclass(frozen=True)
class Reference:
    """The channel on which others are laid: its merged image [h, w], and its place (dx, dy) px."""

    merged: torch.Tensor = field(compare=False)
    place: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Channel:
    """The channel of a stack with colours that a burst is of.

    place      (dx, dy) px of its pixels in those of the stack on which motion was found
    reference  the channel on which it is laid; None for that channel itself
    lateral    (dx, dy) px and relative scale, by which it lay off the reference before: dispersion
               of the air, lateral colour of a lens
    """

    name: str
    place: tuple[float, float] = (0.0, 0.0)
    reference: Reference | None = None
    lateral: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class CameraFlow:
    """How frames lie on the grid of one of them, the reference, px of the frames.

    reference  place of that frame among the used ones
    motion     [n, 2, 3] of whole frames, from the reference to the frame
    cells      [n, 2, gy, gx] what places are displaced by on the reference before that
    side       px of a cell
    """

    reference: int
    motion: torch.Tensor
    cells: torch.Tensor
    side: int


@dataclass(frozen=True)
class Gathered:
    """What an image of samples of all frames was gathered from.

    believed  [h / 2, w / 2] share of the frames that were believed at each place of the reference;
              little where something moved
    noise     of the shape of the image: an example of the noise that it carries
    """

    believed: torch.Tensor = field(compare=False)
    noise: torch.Tensor = field(compare=False)


@dataclass(frozen=True)
class Turbulence:
    """How strong the air is: D/r0 of the blur, and D/r0 as the displacements alone suggest it; and
    how wide the blur is.

    source                where the PSF comes from, most of it
    half_height           cycles per pixel at which the PSF's transfer function falls to half
    half_height_believed  that of the blur as measured; None where the PSF was told
    kernel                [k, k] the PSF of a frame whose rows do not move, which all planes of a
                          mosaic share
    power                 to which the PSF's transfer function is raised, where it was too wide
    share                 of the PSF that comes from all witnesses, 0 to 1; the rest is the motion's
    """

    d_over_r0: float
    d_over_r0_of_motion: float
    source: Literal["motion", "witnesses", "none", "settings"] = "settings"
    half_height: float | None = None
    half_height_believed: float | None = None
    kernel: torch.Tensor | None = field(default=None, compare=False)
    power: float = 1.0
    share: float = 0.0


@dataclass(frozen=True)
class Moving:
    """What moves by itself, as the image shows it.

    mask     [h, w] bool, where something moves in any of the frames
    passing  [n, h, w] bool, which values of frames show it; they are not valid
    shown    [n, h, w] bool, which values show what the key frame does, passing or not
    frame    the stack's number of the key frame, at whose time the image shows what moves
    used     frames that show it, where fewest do
    """

    mask: torch.Tensor = field(compare=False)
    passing: torch.Tensor = field(compare=False)
    shown: torch.Tensor = field(compare=False)
    frame: int
    used: int


@dataclass(frozen=True)
class Merging:
    """The noise of the merged image (std, linear), and how many equal frames have it.

    share  [h, w] of them that count at each place; None where all do nearly everywhere
    """

    noise_std: float
    effective_frames: float
    share: torch.Tensor | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Unrolled:
    """How images of instants were made of frames. Times are in frame times, of a pair in readouts.

    shutter           of the frames
    instants          [t] times of the images
    kept              numbers of the frames used for them
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
    """The images of t instants made of each of k frames alone, the closest in time first (of a
    rolling shutter at each pixel); 16 bit.

    images    [t, k, c, h, w], in the units of the image that was made of them
    later     [t, k, h, w] time from the instant to the recording of a point, in frame times
    trust     [t, k, h, w] certainty that the point is visible and not occluded, 0..1
    velocity  [t, 2, h, w] of the points, px per frame time
    exposure  [h] of a row, in frame times; 0 if not known
    gain      [h] light of a row over that of `exposure_time`, by which it was divided

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
