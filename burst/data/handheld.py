"""Simulate a burst of raw photographs taken by hand, and what they show without noise and mosaic.

The scene is in colour and finer than the sensor. Each frame shows it from a slightly other place
and turn, through the area of its pixels and a lens, as a Bayer mosaic with the noise of an ISO. A
person may walk through.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional

from burst.data.camera_path import CameraPath
from burst.ops.alignment.motion import chain, flow_of, inverse
from burst.ops.bayer import cfa_sites
from burst.ops.filters import separable
from burst.ops.noise import to_dn
from burst.ops.warp import warp
from burst.records import NoiseModel, Sensor, Stack

FINER = 2  # pixels of the scene along one of the sensor
# A GoPro FUSION's DNG states at ISO 100 NoiseProfile 7.81e-5 2.44e-8, and AsShotNeutral 0.493 1
# 0.607. Shot noise is proportional to ISO.
SHOT_AT_100 = 7.81e-5
ISOS = {"low": 100, "medium": 800, "high": 3200, "very-high": 6400}  # of noise levels
WHITE_BALANCE = (2.026, 1.0, 1.648)
# Read noise follows shot noise as the cameras of the Darmstadt Noise Dataset state it (Brooks et
# al., CVPR 2019, section 3.1): log read = 2.18 log shot + 1.20.
READ_SLOPE, READ_START = 2.18, 1.20
LENS = 0.3  # px of the sensor: sigma of the lens's blur
SHAKE, TURN = 3.0, 0.25  # px and degrees, rms over the frames
MARGIN = math.ceil(4 * SHAKE)  # px of the sensor that a scene is larger by, on each side
STEP = 9.0  # px a frame, by which a person walks


@dataclass(frozen=True)
class Handheld:
    """A simulated burst. `scenes` [n or 1, 3, H, W] are what each frame looks at, in the camera's
    colours, with a margin; `motion` [n, 2, 3] brings points of the first grid into the frames;
    `walker` [n, h, w] bool is where a person stands in each frame."""

    stack: Stack
    scenes: torch.Tensor
    motion: torch.Tensor
    walker: torch.Tensor

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the frames."""
        return self.stack.height, self.stack.width

    def truth(self, frame: int, scale: float = 1.0) -> torch.Tensor:
        """Return what a frame would show without noise and mosaic [3, scale h, scale w]."""
        scene = self.scenes[min(frame, len(self.scenes) - 1)]
        return _seen(scene, self.motion[frame : frame + 1], self.size, scale)

    def onto(self, reference: int) -> torch.Tensor:
        """Return the flow [n, 2, h, w] from a frame's grid to all frames."""
        return flow_of(chain(inverse(self.motion[reference][None]), self.motion), self.size)

    def to_scene(self, frame: int, scale: float) -> torch.Tensor:
        """Return the motion [1, 2, 3] from a frame's pixels, `scale` times as fine, to the
        scene's."""
        way = _to_scene(self.size, self.scenes.shape[-2:])
        return chain(chain(_scaling(1 / scale), inverse(self.motion[frame][None])), way)

    def moved(self, reference: int) -> torch.Tensor:
        """Return where [h, w] a person stands in any frame, on the grid of the reference."""
        seen = warp(self.walker.float(), self.onto(reference), mode="bilinear")
        return (seen > 0.05).any(0)


def noise_of_iso(iso: float) -> NoiseModel:
    """Return the noise of a raw frame at an ISO."""
    shot = SHOT_AT_100 * iso / 100
    return NoiseModel(shot, math.exp(READ_SLOPE * math.log(shot) + READ_START))


def simulate_handheld(
    scene: torch.Tensor, iso: float, frames: int, seed: int = 0, walks: bool = False
) -> Handheld:
    """Simulate `frames` frames of the middle of a scene [3 or 1, H, W], linear, in which a person
    `walks` or not. They have half the scene's pixels along a side, less a margin."""
    draw = torch.Generator().manual_seed(seed)
    camera = 0.9 * scene / torch.tensor(WHITE_BALANCE)[:, None, None]
    height, width = (side // FINER // 2 * 2 - 2 * MARGIN for side in scene.shape[-2:])
    drift = SHAKE / width, SHAKE / height
    path = CameraPath(TURN, 0.0, drift, kind="random").motion(frames, (height, width), draw)
    scenes, stands = camera[None], torch.zeros(1, *scene.shape[-2:])
    if walks:
        scenes, stands = _walk(camera, frames, draw)
    walker = torch.stack(
        [
            _seen(stands[min(k, len(stands) - 1)][None], path[k][None], (height, width))[0] > 0.02
            for k in range(frames)
        ]
    )
    shown = torch.stack(
        [
            _seen(scenes[min(k, len(scenes) - 1)], path[k][None], (height, width))
            for k in range(frames)
        ]
    )
    mosaic = torch.empty(frames, height, width)
    for channel, (y, x) in zip((0, 1, 1, 2), cfa_sites("RGGB"), strict=True):
        mosaic[:, y::2, x::2] = shown[:, channel, y::2, x::2]
    noise = noise_of_iso(iso)
    noisy = mosaic + noise.variance(mosaic).sqrt() * torch.randn(mosaic.shape, generator=draw)
    sensor = Sensor(
        black_level=1024,
        white_level=16383,
        cfa="RGGB",
        noise=noise,
        iso=iso,
        white_balance=WHITE_BALANCE,
    )
    return Handheld(Stack(to_dn(noisy, sensor), sensor, "handheld"), scenes, path, walker)


def _seen(
    scene: torch.Tensor, motion: torch.Tensor, size: tuple[int, int], scale: float = 1.0
) -> torch.Tensor:
    """Return what a frame of size (h, w) gathers of a scene [c, H, W] at its pixels, or at `scale`
    times as many a side: [c, scale h, scale w]."""
    reach = 4
    position = torch.arange(-reach, reach + 1) / FINER
    lens = torch.exp(-(position**2) / (2 * LENS**2))
    # Pixels of the scene gather light over their own area, those of the result over theirs.
    side = (FINER / scale - 1) / (2 * FINER / scale)
    kernel = functional.conv1d(lens[None, None], torch.tensor([[[side, 1 - 2 * side, side]]]))[0, 0]
    kernel = kernel / kernel.sum()
    padded = functional.pad(scene[None], (len(kernel) // 2,) * 4, mode="reflect")[0]
    gathered = separable(padded, kernel)
    fine = (round(size[0] * scale), round(size[1] * scale))
    to_scene = _to_scene(size, scene.shape[-2:])
    flow = flow_of(chain(chain(_scaling(1 / scale), inverse(motion)), to_scene), fine)
    return warp(gathered, flow.expand(len(gathered), -1, -1, -1))


def _to_scene(size: tuple[int, int], scene: tuple[int, ...]) -> torch.Tensor:
    """Return the motion [1, 2, 3] from the first grid of size (h, w) to the middle of a scene of
    size (H, W)."""
    corner = [(big - FINER * small) / 2 for big, small in zip(scene[::-1], size[::-1], strict=True)]
    return _scaling(float(FINER), (corner[0], corner[1]))


def _scaling(factor: float, corner: tuple[float, float] = (0.0, 0.0)) -> torch.Tensor:
    """Return the motion [1, 2, 3] that brings pixels to pixels `factor` times as fine, whose pixel
    (0, 0) begins `corner` px outside."""
    shift = (factor - 1) / 2
    return torch.tensor([[[factor, 0, shift + corner[0]], [0, factor, shift + corner[1]]]])


def _walk(
    camera: torch.Tensor, frames: int, draw: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return scenes [n, 3, H, W] in front of which a person in textured clothes walks to the right,
    and where the person stands [n, H, W], 0 to 1."""
    height, width = camera.shape[-2:]
    tall = 0.6 * height
    y = (torch.arange(height)[:, None] - 0.3 * height) / tall
    cloth = functional.interpolate(
        torch.rand((1, 3, height // 8, width // 8), generator=draw), (height, width), mode="bicubic"
    )[0]
    dress = (cloth.clamp(0, 1) * 0.5) / torch.tensor(WHITE_BALANCE)[:, None, None]
    scenes, stands = [], []
    for k in range(frames):
        place = 0.5 * width + (k - frames / 2) * STEP * FINER
        x = (torch.arange(width)[None] - place) / tall
        stride = 0.12 * math.sin(1.3 * k)
        parts = [
            ((y - 0.09) / 0.09) ** 2 + (x / 0.07) ** 2 < 1,
            (x.abs() < 0.11) & (y > 0.17) & (y < 0.58),
            ((x - stride * (y - 0.55)).abs() < 0.045) & (y > 0.5) & (y < 1),
            ((x + stride * (y - 0.55)).abs() < 0.045) & (y > 0.5) & (y < 1),
        ]
        stand = torch.stack(parts).any(0).float()
        moved = torch.roll(dress, round(place), dims=2)
        scenes.append(camera + stand * (moved - camera))
        stands.append(stand)
    return torch.stack(scenes), torch.stack(stands)
