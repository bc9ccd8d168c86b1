"""What turns photons into numbers: the sensor's levels, colours, noise, shutter and times."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Literal

from burst.lazy import torch
from burst.settings import checked

BAYER_PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")
MINIMUM_FRAMES = 2
ColourSpace = Literal["srgb", "display-p3"]  # of written pictures
MID_GREY = 0.18  # linear; the reflectance at which noise is quoted


class StackError(ValueError):
    """A stack, or the description of its sensor, that cannot be what it claims to be."""


_checked = partial(checked, error=StackError)


class Shutter(StrEnum):
    """How the exposure of the rows of one frame relates in time."""

    GLOBAL = "global"
    ROLLING = "rolling"
    DUAL_REVERSED = "dual_reversed"
    GLOBAL_RESET = "global_reset"


@_checked
@dataclass(frozen=True)
class NoiseModel:
    """Var[x] = shot * x + read for linear x (black 0, white 1); both are variances."""

    shot: float
    read: float

    def __post_init__(self) -> None:
        for name, value in (("shot", self.shot), ("read", self.read)):
            if not (math.isfinite(value) and value >= 0):
                raise StackError(f"noise.{name}: expected a variance of at least 0, found {value}.")

    def std(self, x: float) -> float:
        """Return the standard deviation at linear level x."""
        return math.sqrt(self.shot * max(x, 0.0) + self.read)

    def variance(self, x: torch.Tensor) -> torch.Tensor:
        """Return the variance at linear levels x of any shape; black has the least."""
        return self.shot * x.clamp(min=0) + self.read


@_checked
@dataclass(frozen=True)
class Sensor:
    """What turns photons into DN: levels (DN), colour filters, noise, shutter, times (seconds).

    `black_level` is one number, or one for each site of the 2x2 colour pattern in reading order;
    `black_assumed` says that it was not stated. `transfer` says how DN relate to light: "linear"
    for raw, "srgb" for display-encoded sources, which are restored as they are and made linear when
    written. `white_balance` are the gains of red, green and blue, and `camera_matrix` [9] leads
    from colours balanced by them to linear sRGB, row by row; None where it is not known. Both are
    used when results are written. `sampling` is the pixel pitch in units of lambda / (2 D) as seen
    through the lens: 1 is Nyquist, less is finer. `orientation` is that of EXIF, 1 to 8: frames
    stay as they were recorded, and results are turned by it. `frame_times` holds when each frame of
    the stack began, from the first on; None means evenly, `frame_time` apart.
    """

    black_level: float | tuple[float, float, float, float] = 0.0
    white_level: float = 4095.0
    cfa: str = "mono"
    noise: NoiseModel | None = None
    shutter: Shutter = Shutter.GLOBAL
    exposure_time: float = 0.0
    row_time: float = 0.0
    frame_time: float = 1 / 30
    iso: float | None = None
    white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    camera_matrix: tuple[float, ...] | None = None
    transfer: Literal["linear", "srgb"] = "linear"
    sampling: float = 1.0
    orientation: int = 1
    frame_times: tuple[float, ...] | None = None
    black_assumed: bool = False

    def __post_init__(self) -> None:
        if self.orientation not in range(1, 9):
            raise StackError(
                f"orientation: expected a number of EXIF, 1 to 8, found {self.orientation}."
            )
        if self.cfa not in ("mono", *BAYER_PATTERNS):
            raise StackError(
                f"cfa: expected mono or one of {', '.join(BAYER_PATTERNS)}, found '{self.cfa}'."
            )
        if not math.isfinite(self.white_level):
            raise StackError(f"white_level: expected a number of DN, found {self.white_level}.")
        for black in self.black_levels:
            if not (math.isfinite(black) and 0 <= black < self.white_level):
                raise StackError(
                    f"black_level: expected 0 <= black_level < white_level {self.white_level:g},"
                    f" found {black:g}. Pass --black-level and --white-level."
                )
        if not (math.isfinite(self.sampling) and self.sampling > 0):
            raise StackError(f"sampling: expected a number above 0, found {self.sampling}.")
        for name in ("exposure_time", "row_time", "frame_time"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise StackError(f"{name}: expected seconds of at least 0, found {value}.")
        if min(self.white_balance) <= 0 or not all(map(math.isfinite, self.white_balance)):
            raise StackError(
                f"white_balance: expected three gains above 0, found {self.white_balance}."
            )
        if self.camera_matrix is not None and len(self.camera_matrix) != 9:
            raise StackError(
                f"camera_matrix: expected nine numbers, found {len(self.camera_matrix)}."
            )
        if self.frame_times is not None:
            self._check_times(self.frame_times)

    def _check_times(self, times: tuple[float, ...]) -> None:
        steps = [later - earlier for earlier, later in itertools.pairwise(times)]
        if not times or times[0] != 0 or not all(math.isfinite(s) and s > 0 for s in steps):
            raise StackError(
                "frame_times: expected seconds that begin with 0 and rise from frame to frame,"
                f" found {', '.join(f'{time:g}' for time in times[:8]) or 'none'}."
            )

    def of_frames(self, which: Sequence[int]) -> Sensor:
        """Return the sensor of some of the frames, by their rising numbers."""
        if self.frame_times is None:
            return self
        times = [self.frame_times[k] for k in which]
        return replace(self, frame_times=tuple(time - times[0] for time in times))

    @property
    def black_levels(self) -> tuple[float, ...]:
        """The black level of every site: one for mono, else as many as were given."""
        return self.black_level if isinstance(self.black_level, tuple) else (self.black_level,)

    @property
    def black(self) -> float:
        """The black level where it is one: of a sensor without colours, or of one colour plane."""
        return float(self.black_levels[0])

    @property
    def fewest_frames(self) -> int:
        """How many frames make a stack; the rows of a global reset are made alike in one."""
        return 1 if self.shutter is Shutter.GLOBAL_RESET else MINIMUM_FRAMES

    def readout_ratio(self, height: int) -> float:
        """Return h * row_time / frame_time, the gamma of rolling-shutter papers."""
        return height * self.row_time / self.frame_time if self.frame_time else 0.0
