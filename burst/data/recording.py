"""How a stack is recorded, in the words of `burst simulate`: air, optics, and what follows."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any

from burst.data import exposures, histories, levels, planets, turbulence
from burst.files import ser, write
from burst.files.folder import TRUTH_SUFFIX
from burst.files.sidecar import sidecar_text
from burst.lazy import torch
from burst.ops import sphere
from burst.ops.turbulence import air as turbulent_air
from burst.ops.turbulence import layers
from burst.ops.turbulence.path import PATHS, fried_parameter
from burst.ops.turbulence.path import Path as LineOfSight
from burst.settings import ConfigError, checked, did_you_mean, setting

# The fields of `Recording`, by what they are about.
OF_PATH = ("cn2", "length", "height", "aperture", "wavelength", "outer_scale", "wind")
OF_OPTICS = ("sampling", "defocus", "pixel", "exposure")
OF_FILE = ("mosaic", "denoise", "display", "sharpen", "enlarge", "jpeg", "h264", "codec")

Stated = float | None


@checked
@dataclass(frozen=True)
class Recording:
    """What a still scene is taken through and what becomes of its frames. Without a `path` the air
    is the usual simulator's; what follows it replaces what the path of this name has."""

    path: Annotated[str, setting(f"one of {', '.join(PATHS)}; --level gives noise alone then")] = ""
    cn2: Annotated[Stated, setting("of the air at the camera", "m^(-2/3)")] = None
    length: Annotated[Stated, setting("of the path", "m")] = None
    height: Annotated[Stated, setting("of the scene above the camera, of slant alone", "m")] = None
    aperture: Annotated[Stated, setting("diameter of the lens", "m")] = None
    wavelength: Annotated[Stated, setting("of the light, such as 550e-9", "m")] = None
    outer_scale: Annotated[Stated, setting("of the turbulence", "m")] = None
    wind: Annotated[Stated, setting("across the path, which carries the air", "m/s")] = None
    # The PSFs of finer pixels are larger than their kernel; coarser ones would be aliased.
    sampling: Annotated[
        float, setting("pixel pitch, 0.5 to 2; 1 is Nyquist", "lambda / (2 D)", ge=0.5, le=2)
    ] = 1.0
    defocus: Annotated[float, setting("error of the wavefront", "rad rms", ge=-5, le=5)] = 0.0
    pixel: Annotated[
        float, setting("side of the area of a pixel that gathers light", "pixels", ge=0, le=1)
    ] = 0.0
    exposure: Annotated[Stated, setting("of a row", "frame times", ge=0, le=1)] = None
    mosaic: Annotated[str, setting("colours of this pattern, as RGGB, were interpolated")] = ""
    denoise: Annotated[float, setting("detail below so much was taken out", "std of noise")] = 0.0
    display: Annotated[bool, setting("encode for a display, sRGB in 8 bit")] = False
    sharpen: Annotated[float, setting("strength of unsharp masking")] = 0.0
    enlarge: Annotated[float, setting("factor, bicubic, up to 4")] = 1.0
    jpeg: Annotated[int, setting("quality, 1 to 100; with display")] = 0
    h264: Annotated[int, setting("quality (CRF), 1 to 51; needs ffmpeg; with display")] = 0
    codec: Annotated[float, setting("step of a modelled codec; with display", "DN of 8 bit")] = 0.0

    def __post_init__(self) -> None:
        if self.path and self.path not in PATHS:
            raise ConfigError(
                f"path: expected one of {', '.join(PATHS)}, found '{self.path}'."
                f"{did_you_mean(self.path, PATHS)}"
            )
        alone = [name for name in OF_PATH if getattr(self, name) is not None]
        if alone and not self.path:
            raise ConfigError(
                f"{alone[0]}: expected a path with it, one of {', '.join(PATHS)}, found none."
                " Name both."
            )

    @property
    def line_of_sight(self) -> LineOfSight | None:
        """The path in SI units; None for the usual simulator."""
        if not self.path:
            return None
        stated = {name: getattr(self, name) for name in OF_PATH}
        return replace(PATHS[self.path], **{k: v for k, v in stated.items() if v is not None})


@checked
@dataclass(frozen=True)
class Planet:
    """A planet and its recording."""

    radius: Annotated[float, setting("of the equator", "px", gt=8)] = 60.0
    flattening: Annotated[float, setting("1 - polar / equatorial radius", ge=0, lt=0.5)] = 0.065
    tilt: Annotated[float, setting("of the pole, to the right of up", "degrees")] = 20.0
    latitude: Annotated[float, setting("of the middle of the disc", "degrees")] = 3.0
    period: Annotated[float, setting("of rotation; 0: none", "hours")] = 9.925
    limb: Annotated[float, setting("brightness is mu to this power", ge=0)] = 0.7
    seconds: Annotated[float, setting("that the recording lasts", "s", gt=0)] = 120.0
    drift: Annotated[float, setting("across the field", "px")] = 0.0
    away: Annotated[float, setting("share of the time outside the field", ge=0, lt=0.5)] = 0.0
    dispersion: Annotated[float, setting("of red and blue against green", "px")] = 0.0

    @property
    def globe(self) -> sphere.Globe:
        """The globe as it is seen."""
        tilt, latitude = math.radians(self.tilt), math.radians(self.latitude)
        return sphere.Globe(self.radius, self.flattening, tilt, latitude)

    def angle(self, seconds: torch.Tensor) -> torch.Tensor:
        """Return by how much (rad) it has turned since the middle of the recording."""
        turn = 2 * math.pi / (self.period * 3600) if self.period else 0.0
        return turn * (seconds - self.seconds / 2)


def record(
    recording: Recording,
    scene: torch.Tensor,
    conditions: levels.Conditions,
    frames: int,
    size: int,
    generator: torch.Generator,
) -> turbulence.SimulatedStack:
    """Simulate `frames` frames of `size` x `size` px of a scene [H, W], linear. On a path the air
    is as strong as the path says, else as the conditions do."""
    camera = turbulence.Camera(optics=exposures.Optics(recording.defocus, recording.pixel))
    sensor = camera.sensor
    if recording.exposure is not None:
        exposure = recording.exposure * sensor.frame_time
        camera = replace(camera, sensor=replace(sensor, exposure_time=exposure))
    air, strength = air_of(recording, sensor.frame_time, conditions.d_over_r0, generator)
    conditions = replace(conditions, d_over_r0=strength)
    history = histories.History(**{name: getattr(recording, name) for name in OF_FILE})
    simulated = turbulence.simulate(scene, conditions, generator, frames, (size, size), camera, air)
    return histories.with_history(simulated, history)


def record_planet(
    planet: Planet,
    recording: Recording,
    conditions: levels.Conditions,
    frames: int,
    size: tuple[int, int],
    generator: torch.Generator,
) -> planets.PlanetStack:
    """Simulate `frames` frames of size (h, w) of a planet, through air as for `record`."""
    frame_time = planet.seconds / frames
    air, strength = air_of(recording, frame_time, conditions.d_over_r0, generator)
    conditions = replace(conditions, d_over_r0=strength)
    return planets.simulate_planet(planet, conditions, generator, frames, size, air)


def write_planet(out: Path, made: planets.PlanetStack) -> list[Path]:
    """Write a planet's stack as SER with time stamps, its sensor beside it, and the truth: the
    planet in the middle of the recording and of the frame. Return their paths."""
    stack, sidecar, beside = made.stack, out.with_suffix(".toml"), out.with_suffix(TRUTH_SUFFIX)
    with write.atomic_write(out) as part:
        ser.write_ser(part, stack.frames if stack.colour is None else stack.colour, stack.sensor)
    write.write_text(sidecar, sidecar_text(stack.sensor, stack.scan))
    write.write_npz(beside, {"scene": made.truth((stack.height, stack.width)).numpy()})
    return [out, sidecar, beside]


def air_of(
    recording: Recording, frame_time: float, d_over_r0: float, generator: torch.Generator
) -> tuple[turbulent_air.Air | layers.LayeredAir, float]:
    """Return the air of a recording and its D/r0: that of its path, or else the one that is
    told."""
    path = recording.line_of_sight
    if path is None:
        return turbulent_air.Air(1.0, recording.sampling), d_over_r0
    air = layers.layers_of(path, recording.sampling, frame_time, generator)
    return air, path.aperture / fried_parameter(path)


def recording_of(values: dict[str, Any]) -> Recording:
    """Return a recording from a table that may hold other keys; None is left out."""
    known = {f.name for f in fields(Recording)}
    return Recording(**{k: v for k, v in values.items() if k in known and v is not None})
