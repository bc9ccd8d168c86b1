"""What happens to frames between the sensor and the file: a simulated stack in, another out.

Cameras interpolate the colours of a mosaic, take out noise, sharpen, encode for a display, and
compress; programs enlarge. Each step is a field of `History`; none changes anything by default.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch.nn import functional

from burst.data.turbulence import SimulatedStack, Truth
from burst.data.video_codec import as_h264, as_jpeg, as_video
from burst.ops.bayer import demosaic
from burst.ops.color import linear_to_display, luminance
from burst.ops.filters import gaussian_blur
from burst.ops.noise import to_dn, to_linear
from burst.records import Sensor
from burst.settings import checked

EIGHT_BITS = 255
SMOOTHED = 1.0  # px, sigma of the Gaussian against which detail is told; by hand
ROBUST = 0.6745  # median over standard deviation of the size of Gaussian noise

Pattern = Literal["", "RGGB", "BGGR", "GRBG", "GBRG"]


@checked
@dataclass(frozen=True)
class History:
    """What was done to frames, in this order.

    mosaic   colour pattern whose colours were interpolated to luminance; the scene is grey
    denoise  fine detail below so many standard deviations of noise was taken out
    display  encoded by sRGB in 8 bit
    sharpen  fine detail was made so many times stronger, less 1
    enlarge  factor, by bicubic interpolation
    jpeg     quality, 1 to 100; 0 for none
    h264     quality (CRF), 1 to 51, by the program ffmpeg; 0 for none
    codec    step in DN of 8 bit by which a video codec rounds; 0 for none
    """

    mosaic: Pattern = ""
    denoise: Annotated[float, Field(ge=0, le=10)] = 0.0
    display: bool = False
    sharpen: Annotated[float, Field(ge=0, le=10)] = 0.0
    enlarge: Annotated[float, Field(ge=1, le=4)] = 1.0
    jpeg: Annotated[int, Field(ge=0, le=100)] = 0
    h264: Annotated[int, Field(ge=0, le=51)] = 0
    codec: Annotated[float, Field(ge=0, le=100)] = 0.0

    def __post_init__(self) -> None:
        if (self.jpeg or self.h264 or self.codec) and not self.display:
            raise ValueError("jpeg, h264, codec: expected display = true with them, found false.")


def with_history(simulated: SimulatedStack, history: History) -> SimulatedStack:
    """Return a stack after its history, and its truth at the new size."""
    if history == History():
        return simulated
    stack = simulated.stack
    light = to_linear(stack.frames, stack.sensor)
    if history.mosaic:
        light = _interpolated(light, history.mosaic)
    light = _denoised(light, history.denoise)
    if history.display:
        light = linear_to_display(light)
    if history.sharpen:
        light = light + history.sharpen * (light - gaussian_blur(light, SMOOTHED))
    light = _enlarged(light, history.enlarge)
    frames, sensor = _stored(light, stack.sensor, history)
    made = replace(stack, frames=frames, sensor=sensor)
    return SimulatedStack(made, _truth_enlarged(simulated.truth, history.enlarge))


def _interpolated(light: torch.Tensor, pattern: str) -> torch.Tensor:
    """Return the luminance of frames [n, h, w] that are mosaics, after interpolation of colour."""
    height, width = light.shape[-2:]
    even = functional.pad(light[:, None], (0, width % 2, 0, height % 2), "replicate")[:, 0]
    grey = torch.stack([luminance(demosaic(frame, pattern)) for frame in even])
    return grey[:, :height, :width]


def _denoised(light: torch.Tensor, strength: float) -> torch.Tensor:
    """Return frames [n, h, w] whose fine detail is shrunk by `strength` times its noise."""
    if not strength:
        return light
    smooth = gaussian_blur(light, SMOOTHED)
    detail = light - smooth
    noise = detail.abs().flatten(1).median(dim=1).values[:, None, None] / ROBUST
    return smooth + detail.sign() * functional.relu(detail.abs() - strength * noise)


def _enlarged(images: torch.Tensor, factor: float) -> torch.Tensor:
    """Return images [n, h, w] enlarged by a factor, as programs do."""
    if factor == 1:
        return images
    size = [round(side * factor) for side in images.shape[-2:]]
    return functional.interpolate(images[:, None], size=size, mode="bicubic")[:, 0]


def _stored(light: torch.Tensor, sensor: Sensor, history: History) -> tuple[np.ndarray, Sensor]:
    """Return frames in DN, and the sensor that the file speaks of."""
    sensor = replace(
        sensor,
        sampling=sensor.sampling / history.enlarge,
        row_time=sensor.row_time / history.enlarge,
    )
    if not history.display:
        return to_dn(light, sensor), sensor
    dn = (light * EIGHT_BITS).round().clamp(0, EIGHT_BITS)
    if history.codec:
        dn = as_video(dn, history.codec)
    frames = dn.cpu().numpy().astype(np.uint8)
    if history.jpeg:
        frames = as_jpeg(frames, history.jpeg)
    if history.h264:
        frames = as_h264(frames, history.h264)
    stated = replace(
        sensor, black_level=0.0, white_level=float(EIGHT_BITS), noise=None, transfer="srgb"
    )
    return frames.astype(np.uint16), stated


def _truth_enlarged(truth: Truth, factor: float) -> Truth:
    if factor == 1:
        return truth
    flow = torch.stack([_enlarged(truth.flow[:, axis], factor) for axis in (0, 1)], dim=1)
    rows = functional.interpolate(truth.row_motion.mT, size=flow.shape[-2], mode="linear").mT
    offset = functional.interpolate(truth.row_offset[:, None], size=flow.shape[-2])[:, 0]
    k = truth.psf.shape[-1]
    wide = _enlarged(truth.psf, factor)
    start = (wide.shape[-1] - k) // 2
    psf = wide[:, start : start + k, start : start + k]
    return replace(
        truth,
        scene=_enlarged(truth.scene[None], factor)[0],
        flow=flow * factor,
        row_motion=rows * factor,
        psf=psf / psf.sum((1, 2), keepdim=True),
        noiseless=_enlarged(truth.noiseless, factor),
        hot=_enlarged(truth.hot[None].float(), factor)[0] > 0.5,
        row_offset=offset,
    )
