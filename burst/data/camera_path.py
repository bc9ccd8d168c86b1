"""A camera that rotates, zooms and drifts while it takes a stack, for tests and measurements.

The scene is larger than the frame, so that what comes into view is real. Air and noise equal those
of a camera at rest with the same seed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch

from burst.data.levels import Conditions
from burst.data.turbulence import SimulatedStack, simulate


@dataclass(frozen=True)
class CameraPath:
    """How far a camera moves.

    turn    rotation in degrees
    scale   change of size as a share; 0.05 is 5 %
    drift   share of the frame's width and height, (x, y)
    kind    "linear": evenly from the first frame to the last, by these amounts in all;
            "random": independently for every frame, by these amounts rms
    """

    turn: float = 0.0
    scale: float = 0.0
    drift: tuple[float, float] = (0.0, 0.0)
    kind: Literal["linear", "random"] = "linear"

    def motion(
        self, frames: int, size: tuple[int, int], generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """Return the motion [n, 2, 3] of frames of size (h, w), as in `ops.alignment.motion`. Its
        mean over the frames is zero, so that the reference grid is that of the camera at rest."""
        course = self._course(frames, generator)
        angle = course[0] * math.radians(self.turn)
        scale = torch.exp(course[1] * math.log1p(self.scale))
        # Position of the frame's middle in the scene, which moves the other way.
        drift = torch.tensor([self.drift[0] * size[1], self.drift[1] * size[0]])
        middle = course[2:] * drift[:, None]
        cosine, sine = scale * angle.cos(), scale * angle.sin()
        linear = torch.stack([cosine, -sine, sine, cosine], dim=1).reshape(-1, 2, 2)
        centre = torch.tensor([(size[1] - 1) / 2, (size[0] - 1) / 2])
        shift = centre - (linear @ (centre + middle.T)[..., None])[..., 0]
        return torch.cat([linear, shift[..., None]], dim=2)

    def _course(self, frames: int, generator: torch.Generator | None) -> torch.Tensor:
        """Return angle, scale, x and y [4, n] with zero mean, as multiples of the settings."""
        if self.kind == "linear":
            return torch.linspace(-0.5, 0.5, frames).expand(4, -1)
        drawn = torch.randn((4, frames), generator=generator)
        drawn = drawn - drawn.mean(1, keepdim=True)
        return drawn / drawn.square().mean(1, keepdim=True).sqrt()


def simulate_moved(
    scene: torch.Tensor,
    conditions: Conditions,
    path: CameraPath,
    seed: int,
    frames: int = 100,
    size: tuple[int, int] = (192, 192),
) -> SimulatedStack:
    """Simulate `frames` frames of size (h, w) of the middle of a scene [H, W], with a moving
    camera. The truth lies on the grid of the camera at rest, `CameraPath()`, for which the same
    seed gives the same air and noise. Beyond its borders the scene is mirrored."""
    motion = path.motion(frames, size, torch.Generator().manual_seed(seed + 1))
    generator = torch.Generator().manual_seed(seed)
    return simulate(scene, conditions, generator, frames, size, path=motion)
