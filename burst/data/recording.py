"""How a stack is recorded, in the words of `burst simulate`: air, optics, and what follows."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Annotated, Any

from burst.data import exposures, histories, levels, turbulence
from burst.lazy import torch
from burst.ops.turbulence import air as turbulent_air
from burst.ops.turbulence import layers
from burst.ops.turbulence.path import PATHS, Path, fried_parameter
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
    def line_of_sight(self) -> Path | None:
        """The path in SI units; None for the usual simulator."""
        if not self.path:
            return None
        stated = {name: getattr(self, name) for name in OF_PATH}
        return replace(PATHS[self.path], **{k: v for k, v in stated.items() if v is not None})


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
    air: turbulent_air.Air | layers.LayeredAir = turbulent_air.Air(1.0, recording.sampling)
    path = recording.line_of_sight
    if path is not None:
        air = layers.layers_of(path, recording.sampling, sensor.frame_time, generator)
        strength = path.aperture / fried_parameter(path)
        conditions = replace(conditions, d_over_r0=strength)
    history = histories.History(**{name: getattr(recording, name) for name in OF_FILE})
    simulated = turbulence.simulate(scene, conditions, generator, frames, (size, size), camera, air)
    return histories.with_history(simulated, history)


def recording_of(values: dict[str, Any]) -> Recording:
    """Return a recording from a table that may hold other keys; None is left out."""
    known = {f.name for f in fields(Recording)}
    return Recording(**{k: v for k, v in values.items() if k in known and v is not None})
