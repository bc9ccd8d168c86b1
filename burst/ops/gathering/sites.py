"""Where a sensor samples which colour, and the frames of a burst by these samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from torch.nn import functional

from burst.ops.bayer import cfa_sites
from burst.ops.noise import to_linear
from burst.records import Burst, NoiseModel, given

GREEN = 1


@dataclass(frozen=True)
class Sites:
    """Samples of a channel in rows y, y + step, ... and columns x, x + step, ... of a frame;
    `layer` is the layer [c] of the frame [c, h, w] that holds them."""

    channel: int
    step: int = 1
    y: int = 0
    x: int = 0
    layer: int = 0

    def of(self, frame: torch.Tensor) -> torch.Tensor:
        """Return the samples [h', w'] of a frame [c, h, w]."""
        return frame[self.layer, self.y :: self.step, self.x :: self.step]


@dataclass(frozen=True)
class View:
    """Frames of a burst as layers [l, h, w], linear and without their gain: the mosaic, the colours
    or the one there is; where samples of which channel lie, and which gains make grey things
    grey."""

    burst: Burst
    planes: tuple[Sites, ...]
    balance: tuple[float, ...]

    @classmethod
    def of(cls, burst: Burst) -> View:
        """Return the frames of a burst whose mosaic was taken whole."""
        sensor = burst.stack.sensor
        if sensor.cfa != "mono":
            places = zip((0, 1, 1, 2), cfa_sites(sensor.cfa), strict=True)
            planes = tuple(Sites(channel, 2, y, x) for channel, (y, x) in places)
            return cls(burst, planes, sensor.white_balance)
        if burst.stack.colour is not None:
            return cls(burst, tuple(Sites(c, layer=c) for c in range(3)), sensor.white_balance)
        return cls(burst, (Sites(0),), (1.0,))

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of a frame, in whole squares of 2 x 2."""
        height, width = given(self.burst.linear).shape[1:]
        return height // 2 * 2, width // 2 * 2

    def layers(self, frame: int) -> torch.Tensor:
        """Return the layers [l, h, w] of a frame, by its place among the used ones."""
        burst = self.burst
        if burst.stack.colour is None:
            return given(burst.linear)[frame][None]
        number = frame if burst.kept is None else int(burst.kept[frame])
        linear = to_linear(burst.stack.colour[number], burst.stack.sensor, burst.device)
        gain = 1.0 if burst.gain is None else float(burst.gain[frame])
        return rearrange(linear / gain, "h w c -> c h w")

    def samples(self, frame: int) -> list[torch.Tensor]:
        """Return the white-balanced samples [h', w'] of each plane of a frame."""
        layers = self.layers(frame)
        return [self.balance[plane.channel] * plane.of(layers) for plane in self.planes]

    def small(self, samples: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the mean [c, h / 2, w / 2] of each channel in squares of 2 x 2 of a frame, of the
        samples [h', w'] of its planes."""
        if self.planes[0].step == 1:
            samples = [functional.avg_pool2d(part[None], 2)[0] for part in samples]
        height, width = (min(part.shape[axis] for part in samples) for axis in (0, 1))
        colours = samples[0].new_zeros(len(self.balance), height, width)
        for plane, part in zip(self.planes, samples, strict=True):
            colours[plane.channel] += part[:height, :width] / self._planes_of(plane.channel)
        return colours

    def grey(self, frame: int) -> torch.Tensor:
        """Return the grey image [h / 2, w / 2] of a frame: of a mosaic the mean of squares of 2 x 2
        sites, in which green counts twice."""
        return grey_of(self.small(self.samples(frame)))

    def small_noise(self, noise: NoiseModel) -> list[NoiseModel]:
        """Return the noise of each channel of `small`, of frames with a noise."""
        models = []
        for channel, gain in enumerate(self.balance):
            count = self._planes_of(channel) * (4 if self.planes[0].step == 1 else 1)
            models.append(NoiseModel(gain * noise.shot / count, gain**2 * noise.read / count))
        return models

    def grey_noise(self, noise: NoiseModel) -> NoiseModel:
        """Return the noise of `grey`, of things that are grey."""
        models = self.small_noise(noise)
        shares = (1.0,) if len(models) == 1 else (1 / 16, 1 / 4, 1 / 16)
        shot, read = (
            sum(share * getattr(model, name) for share, model in zip(shares, models, strict=True))
            for name in ("shot", "read")
        )
        return NoiseModel(shot, read)

    def _planes_of(self, channel: int) -> int:
        return sum(plane.channel == channel for plane in self.planes)


def grey_of(colours: torch.Tensor) -> torch.Tensor:
    """Return the grey image [h, w] of small colours [c, h, w]."""
    return colours[0] if len(colours) == 1 else (colours[0] + 2 * colours[1] + colours[2]) / 4
