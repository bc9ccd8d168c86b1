"""A rotating globe seen from far away: where points of its surface are in the image, at any time.

Image coordinates are x to the right and y down, in px from the disc's centre; z points to the
viewer. A flattened globe is a sphere that is stretched along its projected pole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from burst.ops.warp import pixel_grid


@dataclass(frozen=True)
class Globe:
    """A globe as it is seen.

    radius      px, of the equator
    flattening  1 - (polar radius) / (equatorial radius), as it is seen
    tilt        rad, by which the projected pole is turned to the right of up
    latitude    rad, of the middle of the disc: by how much the pole leans to the viewer
    """

    radius: float
    flattening: float = 0.0
    tilt: float = 0.0
    latitude: float = 0.0

    @property
    def pole(self) -> tuple[float, float, float]:
        """The pole's direction (x, y, z)."""
        across = math.cos(self.latitude)
        return (
            math.sin(self.tilt) * across,
            -math.cos(self.tilt) * across,
            math.sin(self.latitude),
        )

    def on_sphere(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return the points [3, ...] of the unit sphere that are seen at (x, y) px from the disc's
        centre; beside the disc z is 0."""
        x, y = self.stretched(x / self.radius, y / self.radius, 1 / (1 - self.flattening))
        return torch.stack([x, y, (1 - x * x - y * y).clamp(min=0).sqrt()])

    def in_image(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return where (x, y) px points [3, ...] of the unit sphere are seen."""
        x, y = self.stretched(points[0], points[1], 1 - self.flattening)
        return x * self.radius, y * self.radius

    def stretched(
        self, x: torch.Tensor, y: torch.Tensor, factor: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Stretch points (x, y) along the projected pole."""
        right, down = math.sin(self.tilt), -math.cos(self.tilt)
        along = (factor - 1) * (x * right + y * down)
        return x + along * right, y + along * down


def turned(points: torch.Tensor, globe: Globe, angle: torch.Tensor) -> torch.Tensor:
    """Return points [3, ...] of the unit sphere, turned about the pole by angles (rad): positive
    where the middle of the disc moves to the right while the pole is up."""
    x, y, z = points
    right, down, near = globe.pole
    cosine, sine = angle.cos(), angle.sin()
    along = (right * x + down * y + near * z) * (1 - cosine)
    return torch.stack(
        [
            x * cosine - (down * z - near * y) * sine + right * along,
            y * cosine - (near * x - right * z) * sine + down * along,
            z * cosine - (right * y - down * x) * sine + near * along,
        ]
    )


def rotation(
    globe: Globe, angle: torch.Tensor, x: torch.Tensor, y: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the displacement [n, 2, h, w] px from points (x, y) px [n, h, w] of a globe, from the
    disc's centre, to where they are when it is turned by angles [n], 0 beside the disc; and which
    of them are seen in both [n, h, w].
    """
    here = globe.on_sphere(x, y)
    there = turned(here, globe, angle[:, None, None])
    moved_x, moved_y = globe.in_image(there)
    on_disc = here[2] > 0
    hidden = on_disc & (there[2] < 0)
    shown = on_disc & ~hidden
    moved = torch.stack([moved_x - x, moved_y - y], dim=1)
    return torch.where(shown[:, None], moved, 0.0), ~hidden


def from_centre(centre: torch.Tensor, size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the pixels (x, y) px [n, h, w] of frames of size (h, w), from their discs' centres
    [n, 2]."""
    x, y = pixel_grid(centre.new_empty(size))
    x, y = torch.broadcast_tensors(
        x[None] - centre[:, 0, None, None], y[None] - centre[:, 1, None, None]
    )
    return x, y
