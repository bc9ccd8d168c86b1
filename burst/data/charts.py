"""Charts to measure sharpness, after ISO 12233: slanted edges and a Siemens star, of any size; and
random rectangles, from which networks learn straight edges.

Images are linear reflectance, averaged over the area of every pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

EDGES, STAR = "slanted edges", "Siemens star"
CHARTS = (EDGES, STAR)

BRIGHT, DARK = 0.72, 0.18  # 4 : 1, so that nothing saturates
TILT = math.radians(5)  # of the squares, as ISO 12233; pixels along an edge sample all phases
SQUARE = 0.3  # side of a square over the side of the chart
OFFSET = 0.24  # of the squares' centres from the middle, in sides of the chart
CYCLES = 36  # of the star, in one turn
STAR_RADIUS = 0.45  # in sides of the chart
OVERSAMPLING = 8  # samples per pixel and axis
RECTANGLES = (3, 12)  # on a chart of them, both included
SIDES = (0.1, 0.7)  # of rectangles, in sides of the chart
GREYS = (0.04, 0.9)

# (x [1, n], y [m, 1], size of the chart) -> reflectance [m, n]; px from the middle of the chart.
Draw = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class Edge:
    """A straight edge.

    x, y     middle, px
    length   px
    upright  whether it is nearly vertical, else nearly horizontal
    lean     px to the right with every row, or down with every column
    """

    x: float
    y: float
    length: float
    upright: bool
    lean: float

    def transposed(self) -> Edge:
        """Return the edge in the transposed image."""
        return replace(self, x=self.y, y=self.x, upright=not self.upright)


def draw_chart(name: str, size: int) -> torch.Tensor:
    """Return one of the `CHARTS` as an image [size, size], linear."""
    return _averaged({EDGES: _squares, STAR: _star}[name], size)


def draw_rectangles(size: int, generator: torch.Generator) -> torch.Tensor:
    """Draw overlapping rectangles [size, size], linear, of random places, sides, angles
    and greys."""

    def between(bounds: tuple[float, float], count: int) -> np.ndarray:
        drawn = torch.rand(count, generator=generator).double().numpy()
        return np.asarray(bounds[0] + drawn * (bounds[1] - bounds[0]))

    count = int(torch.randint(RECTANGLES[0], RECTANGLES[1] + 1, (), generator=generator))
    centre_x, centre_y = (between((-size / 2, size / 2), count) for _ in range(2))
    half_width, half_height = (between(SIDES, count) * size / 2 for _ in range(2))
    angle, grey = between((0, math.pi), count), between(GREYS, count + 1)

    def draw(x: np.ndarray, y: np.ndarray, _: int) -> np.ndarray:
        seen = np.full(np.broadcast_shapes(x.shape, y.shape), grey[-1])
        for k in range(count):
            along, across = _turned(x - centre_x[k], y - centre_y[k], angle[k])
            seen[(along <= half_width[k]) & (across <= half_height[k])] = grey[k]
        return seen

    return _averaged(draw, size)


def edges_of(size: int) -> list[Edge]:
    """Return the sixteen edges of the four squares."""
    length, lean = SQUARE * size, math.tan(TILT)
    right, down = length / 2 * math.cos(TILT), length / 2 * math.sin(TILT)
    middle = _middle(size)
    found = []
    for centre_x, centre_y in _centres(size):
        x, y = middle + centre_x, middle + centre_y
        for sign in (-1, 1):
            found.append(Edge(x + sign * right, y + sign * down, length, True, -lean))
            found.append(Edge(x - sign * down, y + sign * right, length, False, lean))
    return found


def _averaged(draw: Draw, size: int) -> torch.Tensor:
    """Return a drawing averaged over the pixels of [size, size]."""
    offsets = (np.arange(OVERSAMPLING) + 0.5) / OVERSAMPLING - 0.5
    along = (np.arange(size)[:, None] + offsets).ravel() - _middle(size)
    rows = np.split(along, size)
    # Row by row, since all samples together would take 64 times the memory of the image.
    fine = (draw(along[None], row[:, None], size).mean(0) for row in rows)
    image = np.stack([row.reshape(size, OVERSAMPLING).mean(1) for row in fine])
    return torch.from_numpy(image).float()


def _squares(x: np.ndarray, y: np.ndarray, size: int) -> np.ndarray:
    inside = np.zeros(np.broadcast_shapes(x.shape, y.shape), bool)
    for centre_x, centre_y in _centres(size):
        inside |= np.maximum(*_turned(x - centre_x, y - centre_y, TILT)) <= SQUARE * size / 2
    return np.where(inside, DARK, BRIGHT)


def _turned(x: np.ndarray, y: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances of points from the axes of a coordinate system that is turned."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.abs(x * cosine + y * sine), np.abs(y * cosine - x * sine)


def _star(x: np.ndarray, y: np.ndarray, size: int) -> np.ndarray:
    mean, amplitude = (BRIGHT + DARK) / 2, (BRIGHT - DARK) / 2
    waves = mean + amplitude * np.cos(CYCLES * np.arctan2(y, x))
    return np.where(np.hypot(x, y) <= STAR_RADIUS * size, waves, mean)


def _centres(size: int) -> list[tuple[float, float]]:
    return [(i * OFFSET * size, j * OFFSET * size) for i in (-1, 1) for j in (-1, 1)]


def _middle(size: int) -> float:
    return (size - 1) / 2
