"""What the camera gave (`Stack`) and what is known so far (`Burst`).

Axes: n frames, h rows, w columns, c channels, k kernel; a displacement is (dx, dy) in pixels.
Every record is frozen; `dataclasses.replace` makes the next one. The sensor is in `burst.sensor`,
what stages find in `burst.findings`, the report in `burst.notes`; all can be imported from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from burst.findings import (
    Alignment,
    CameraFlow,
    Channel,
    Correction,
    Gathered,
    Level,
    Merging,
    Moving,
    NotGivenError,
    Reference,
    Rotation,
    Selection,
    Track,
    Turbulence,
    Unrolled,
    Views,
    given,
)
from burst.lazy import torch
from burst.notes import Entry, Provenance, Report
from burst.sensor import (
    BAYER_PATTERNS,
    MID_GREY,
    MINIMUM_FRAMES,
    ColourSpace,
    NoiseModel,
    Sensor,
    Shutter,
    StackError,
)

__all__ = [
    "BAYER_PATTERNS", "FIELDS", "MID_GREY", "MINIMUM_FRAMES", "Alignment", "Burst", "CameraFlow",
    "Channel", "ColourSpace", "Correction", "Entry", "Gathered", "Level", "Merging", "Moving",
    "NoiseModel", "NotGivenError", "Provenance", "Reference", "Report", "Rotation", "Selection",
    "Sensor", "Shutter", "Stack", "StackError", "Track", "Turbulence", "Unrolled", "Views", "given",
]  # fmt: skip


class Frames:
    """Frames [n, h, w] or [n, h, w, 3] with a name, and where they are from."""

    frames: np.ndarray
    name: str
    source: str

    @property
    def count(self) -> int:
        """The number of frames, n."""
        return int(self.frames.shape[0])

    @property
    def height(self) -> int:
        """The number of rows, h."""
        return int(self.frames.shape[1])

    @property
    def width(self) -> int:
        """The number of columns, w."""
        return int(self.frames.shape[2])

    def _error(self, expected: str, found: object, advice: str = "") -> StackError:
        message = f"{self.source or self.name}: expected {expected}, found {found}. {advice}"
        return StackError(message.rstrip())


@dataclass(frozen=True)
class Stack(Frames):
    """Frames [n, h, w] uint16 in DN exactly as read (memory-mapped where they can be; many frames
    of 8 bits that are mapped stay uint8).

    `scan` [n] int8 is +1 for a frame read top to bottom and -1 for bottom to top; where none is
    passed, all are read top to bottom. `colour` [n, h, w, 3] (red first) is what `frames` are the
    luminance of, where that was asked for.
    `measured` [n, h, w] bool says which values were, where a file marks some as not; None for all.
    """

    frames: np.ndarray
    sensor: Sensor
    name: str = "stack"
    source: str = ""
    scan: np.ndarray = field(default_factory=lambda: np.ones(0, np.int8))
    colour: np.ndarray | None = None
    measured: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.sensor, Sensor):
            raise self._error("a Sensor that says what the frames are", repr(self.sensor))
        if not isinstance(self.frames, np.ndarray):
            raise self._error("a NumPy array of frames", f"a {type(self.frames).__name__}")
        shape, fewest = self.frames.shape, self.sensor.fewest_frames
        if self.frames.ndim != 3 or self.frames.dtype not in (np.uint16, np.uint8):
            raise self._error(
                "frames (n, h, w) of uint16",
                f"{shape} of {self.frames.dtype}",
                "burst.read takes arrays of any numbers, with the frames along the first or the"
                " last axis.",
            )
        if shape[0] < fewest:
            raise self._error(f"at least {fewest} frames", f"{shape[0]}, with nothing to merge")
        none = self.scan is None or len(self.scan) == 0
        scan = np.ones(shape[0], np.int8) if none else np.asarray(self.scan, np.int8)
        if scan.shape != (shape[0],) or not np.isin(scan, (-1, 1)).all():
            raise self._error(f"scan to hold {shape[0]} values of +1 or -1", scan.tolist()[:8])
        times = self.sensor.frame_times
        if times is not None and len(times) != shape[0]:
            raise self._error(f"frame_times of {shape[0]} frames", f"{len(times)}")
        if self.colour is not None and self.colour.shape != (*shape, 3):
            raise self._error(f"colour {(*shape, 3)}", self.colour.shape)
        if self.measured is not None and self.measured.shape != shape:
            raise self._error(f"measured {shape}", self.measured.shape)
        object.__setattr__(self, "scan", scan)


@dataclass(frozen=True)
class Burst:
    """What is known of a stack so far; a field that no stage has filled is None.

    kept            [n] the stack's numbers of the frames that take part; every other field that
                    has an axis of frames holds these alone
    gain            [n] how bright a frame was recorded against the others, which `linear` is freed
                    of
    linear          [n, h, w] float32, black 0 and white 1, row noise and hot pixels taken out; the
                    mosaic itself where every stage says `MOSAIC = True`
    valid           [n, h, w] bool, which values of `linear` were measured: no defect, not
                    saturated, not torn; None where all were
    noise           noise of one linear frame
    weights         [n], 0 for a dropped frame, mean 1 over the kept ones
    tile_sharpness  [n, ty, tx], noise-free sharpness of each tile relative to its mean over frames
    flow            [n, 2, h, w] px, from the reference grid to the frame:
                    frame(p + flow(p)) = reference(p); the grid is that of the frames, or the part
                    of the scene that they share where the camera moved far
    motion          [n, 2, 3] what of the flow is the camera's turn, scale and drift (see
                    `ops.alignment.motion`); None where frames merely shift a little
    level           how hard the stack is, by which a model is chosen
    row_motion      [n, h, 2] px, added to the flow of each row (see `ops.warp.compose`)
    psf             [n, k, k], blur of each aligned frame
    merged          [h, w] linear, aligned and averaged, still blurred; from `deconvolve` on
                    without outliers
    image           [h, w] linear, the result so far; from `unroll` [t, h, w] if it is of several
                    instants, and [..., 3, h, w] if the stack has colour, which is
                    the camera's, without white balance
    deviation       [h, w] linear, by how much `image` may be off: one standard deviation; None
                    where no network has said it
    views           what the frames alone show of the instants of `image`
    channel         which channel of a stack with colours this is; None for other stacks
    track           where a disc or a surface that drifts is, around which the frames were cut
    rotation        how a planet turns within the recording
    left_out        why each frame of the stack that takes part in nothing was left out, by number
    moving          where something moves by itself; None where nothing does
    selection, alignment, turbulence, merging, unrolled, correction, camera, gathered
                    what `select`, `align`, `blur`, `deconvolve`, `unroll`, the networks,
                    `align_camera` and `gather` found: see `burst.findings`

    `device` is where the stage that makes tensors of the stack puts them; all others follow.
    `memory` is the limit in bytes of what is made of the frames at once: tensors of all frames are
    then read block by block (`ops.blocks`), and so is what is computed of them. None: all at once.
    """

    stack: Stack
    device: str = "cpu"
    memory: int | None = None
    kept: torch.Tensor | None = None
    gain: torch.Tensor | None = None
    linear: torch.Tensor | None = None
    valid: torch.Tensor | None = None
    noise: NoiseModel | None = None
    weights: torch.Tensor | None = None
    tile_sharpness: torch.Tensor | None = None
    flow: torch.Tensor | None = None
    motion: torch.Tensor | None = None
    level: Level | None = None
    row_motion: torch.Tensor | None = None
    psf: torch.Tensor | None = None
    merged: torch.Tensor | None = None
    image: torch.Tensor | None = None
    deviation: torch.Tensor | None = None
    views: Views | None = None
    channel: Channel | None = None
    left_out: Mapping[int, str] | None = None
    track: Track | None = None
    rotation: Rotation | None = None
    selection: Selection | None = None
    alignment: Alignment | None = None
    moving: Moving | None = None
    turbulence: Turbulence | None = None
    merging: Merging | None = None
    unrolled: Unrolled | None = None
    correction: Correction | None = None
    camera: CameraFlow | None = None
    gathered: Gathered | None = None
    report: Report = field(default_factory=Report)

    @property
    def numbers(self) -> list[int]:
        """The stack's numbers of the frames that take part, in order."""
        return list(range(self.stack.count)) if self.kept is None else self.kept.tolist()

    def of_stack(self, values: torch.Tensor, missing: Any = None) -> list[Any]:
        """Return values [m, ...] of these frames as a list over all frames of the stack, with
        `missing` for the others."""
        known = dict(zip(self.numbers, values.tolist(), strict=True))
        return [known.get(frame, missing) for frame in range(self.stack.count)]

    @property
    def share(self) -> float:
        """The share of these frames that counts at each place; 1 unless tiles are selected."""
        return 1.0 if self.selection is None else self.selection.share


FIELDS = tuple(f.name for f in fields(Burst) if f.name not in ("device", "memory", "report"))
