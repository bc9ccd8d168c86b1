"""The shake of a camera, found in three or more frames whose rows are read one after another.

Two frames cannot tell a shake from a scene that is nearer at some rows than at others. Three can:
a point that moves steadily goes straight, so that what its way is bent by is the camera's, and the
same for all points of a row. It shows the shake at lags of whole frame times only; the rest is
filled by what shakes are like: a Gaussian process, as strong as the frames themselves say
(Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, eq. 2.23 and 5.8).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from einops import einsum, rearrange
from torch.nn import functional

SPARSE = 2  # px; flow is smoother than that, and fewer points tell as much
SURE = 0.8  # trust, from which a point counts
GROUPS = 48  # of rows, whose points are averaged
FEWEST = 0.1  # share of the points, of all or of a group, that have to count
PLANE = 1.0  # px a frame time; points whose velocities differ by less move with one plane
WIDTHS = (2.0, 1.0, 0.5, 0.5)  # px; a point whose way is bent otherwise counts less and less
ALIKE = 4.0  # neighbouring points, whose errors are one
LEAST_ERROR = 0.02  # px, of the mean of a group
# Flow errs alike over neighbouring rows: px rms, and over how many groups.
BIAS, BIAS_REACH = 0.1, 4.0
NOTHING = 1e3  # px; the error of a group that says nothing
# A shake is a sum of tones, the stronger the slower; cycles in a frame time.
SLOWEST, FASTEST, TONES = 0.1, 2.0, 96
STRENGTHS = (0.0, *(0.02 * 2**k for k in range(7)))  # px rms
DOUBTS = (1.0, 2.0, 4.0, 8.0)  # the errors, in units of what scatter says
# Besides, its velocity changes smoothly: coefficients of t^2 and t^3, as shares of the velocity.
SMOOTH = ((2, 0.15), (3, 0.03))
STEP = 1 / 64  # frame times
POINTS = 1 / 16  # frame times, between the points that are noted
SHORT = 1 / 16  # frame times, over which a velocity is taken


@dataclass(frozen=True)
class Path:
    """How a camera displaces all points in time: values [2, m] px, `STEP` frame times apart from
    `start` on, straight between and at rest beyond; `strength` is the rms of its shake, px."""

    start: float
    values: torch.Tensor
    strength: float

    @property
    def end(self) -> float:
        """When the path ends, in frame times."""
        return self.start + STEP * (self.values.shape[1] - 1)

    def at(self, times: torch.Tensor) -> torch.Tensor:
        """Return the displacement [2, ...] px at times [...], in frame times."""
        last = self.values.shape[1] - 1
        along = (times - self.start).flatten() * (2 / (STEP * last)) - 1
        grid = torch.stack([along, torch.zeros_like(along)], dim=-1)
        found = functional.grid_sample(
            self.values[None, :, None].to(grid),
            grid[None, None],
            mode="bilinear",
            padding_mode="border",
            align_corners=True,
        )
        return found.reshape(2, *times.shape)

    def points(self) -> dict[str, Any]:
        """Return the strength, and times and displacements of points along the path."""
        times = torch.arange(self.start, self.end, POINTS)
        dx, dy = self.at(times).tolist()
        return {"strength": self.strength, "time": times.tolist(), "dx": dx, "dy": dy}

    def velocity(self, time: float) -> torch.Tensor:
        """Return the velocity [2] px a frame time."""
        ends = self.at(torch.tensor([time - SHORT / 2, time + SHORT / 2]))
        return (ends[:, 1] - ends[:, 0]) / SHORT


@dataclass(frozen=True)
class Sighting:
    """Where the points of one frame are seen in another: flow [2, h, w] px, its trust [h, w], and
    the times [h, w] at which they are seen there."""

    flow: torch.Tensor
    trust: torch.Tensor
    times: torch.Tensor

    def sparse(self) -> Sighting:
        """Return every so many of the points."""
        some = (..., slice(None, None, SPARSE), slice(None, None, SPARSE))
        return Sighting(self.flow[some], self.trust[some], self.times[some])


def find_shake(own: torch.Tensor, sightings: Sequence[Sighting]) -> Path | None:
    """Return the path of the camera about a frame whose points are read at times `own` [h, w], less
    any steady motion; None where fewer than two other frames, or too few points, tell of it.

    The first of the sightings is what the others are held against; it should be the closest.
    """
    if len(sightings) < 2:
        return None
    own = own[::SPARSE, ::SPARSE]
    first, *others = (one.sparse() for one in sightings)
    seen = torch.stack([one.trust for one in (first, *others)]).amin(0) > SURE
    velocity = first.flow / (first.times - own)
    if float(seen.float().mean()) > FEWEST:
        seen = seen & _of_one_plane(velocity, seen)
    if float(seen.float().mean()) < FEWEST:
        return None
    origin = float(own.mean())
    bends = [_bend(own, first, other, seen, origin) for other in others]
    reach = max(float((one.times - origin).abs().max()) for one in (first, *others))
    process = _Process(
        torch.cat([bend.times for bend in bends]),
        torch.cat([bend.weights for bend in bends]),
        torch.arange(-reach, reach + STEP, STEP, dtype=torch.float64),
        float(velocity[:, seen].square().sum(0).mean().sqrt()) + PLANE,
    )
    expected = [bend.middle() for bend in bends]
    for width in WIDTHS:
        found = [bend.means(e, width) for bend, e in zip(bends, expected, strict=True)]
        mean, error = (torch.cat(parts) for parts in zip(*found, strict=True))
        values, strength, fitted = process.posterior(mean, error)
        expected = list(fitted.split(GROUPS))
    return Path(origin - reach, values.float(), strength)


@dataclass(frozen=True)
class _Bend:
    """By how much the ways of points [m, 2] px to another frame are bent, the group [m] of each;
    the times [g, 3] of a group in its own, the first and the other frame, and with which weights
    [g, 3] the camera's displacements at these times make up the bend."""

    bent: torch.Tensor
    group: torch.Tensor
    size: torch.Tensor
    times: torch.Tensor
    weights: torch.Tensor

    def middle(self) -> torch.Tensor:
        """Return the median of all points, for every group [g, 2]."""
        return self.bent.median(dim=0).values.expand(GROUPS, 2)

    def means(self, expected: torch.Tensor, width: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the mean [g, 2] of each group and its error, of points near what is expected."""
        apart = (self.bent - expected[self.group]).norm(dim=1, keepdim=True)
        weight = (1 + (apart / width) ** 2) ** -2
        total = _summed(weight, self.group)
        mean = _summed(weight * self.bent, self.group) / total.clamp(min=1e-6)
        scatter = _summed((weight * (self.bent - mean[self.group])).square(), self.group)
        error = (ALIKE * scatter).sqrt() / total.clamp(min=1e-6) + LEAST_ERROR
        few = total <= FEWEST * self.size[:, None]
        return mean.masked_fill(few, 0.0), error.masked_fill(few, NOTHING)


def _bend(
    own: torch.Tensor, first: Sighting, other: Sighting, seen: torch.Tensor, origin: float
) -> _Bend:
    """Return how points seen [h, w] bend; a steady velocity, whichever a point has, drops out."""
    rows, columns = seen.shape
    everywhere = (torch.arange(rows) * GROUPS // rows)[:, None].expand(rows, columns)
    group = everywhere[seen]
    ratio = (other.times - own) / (first.times - own)
    maps = torch.stack([own - origin, first.times - origin, other.times - origin, ratio], dim=-1)
    count = torch.bincount(group, minlength=GROUPS)[:, None].clamp(min=1)
    means = _summed(maps[seen].double(), group) / count
    share = means[:, 3]
    return _Bend(
        rearrange(other.flow - ratio * first.flow, "xy h w -> h w xy")[seen].double(),
        group,
        torch.bincount(everywhere.flatten(), minlength=GROUPS),
        means[:, :3],
        torch.stack([share - 1, -share, torch.ones_like(share)], dim=1),
    )


def _of_one_plane(velocity: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """Return where velocities [2, h, w] are those of the plane with which most points seen move.

    An object that goes its own way speeds up in its own way, and would pass for the camera.
    """
    rows, columns = seen.shape
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, rows), torch.linspace(-1, 1, columns), indexing="ij"
    )
    plane = torch.stack([torch.ones_like(x), x, y], dim=-1)
    points, values = plane[seen], velocity[:, seen].T
    answer = torch.zeros(3, 2)
    answer[0] = values.median(0).values
    spread = float((values - answer[0]).norm(dim=1).median())
    for narrower in (2.0, 1.0, 0.5, 0.25, 0.125, 0.0):
        width = max(narrower * spread, PLANE)
        weight = (1 + (values - points @ answer).square().sum(1, keepdim=True) / width**2) ** -2
        normal = points.T @ (weight * points) + 1e-3 * torch.eye(3)
        answer = torch.linalg.solve(normal, points.T @ (weight * values))
    expected = rearrange(plane @ answer, "h w xy -> xy h w")
    near: torch.Tensor = (velocity - expected).norm(dim=0) < 2 * PLANE
    return near


class _Process:
    """The path as a Gaussian process, seen by combinations of its values: `weights` [g, 3] of those
    at `times` [g, 3]; `grid` [m] is where it is wanted, `speed` px a frame time sets the scale of
    smooth changes."""

    def __init__(
        self, times: torch.Tensor, weights: torch.Tensor, grid: torch.Tensor, speed: float
    ) -> None:
        points = times.flatten()

        def seen(kernel: torch.Tensor) -> torch.Tensor:
            by_group = rearrange(kernel, "a (g three) -> a g three", three=3)
            return einsum(by_group, weights, "a g three, g three -> a g")

        shake, smooth = _of_shake(points, points), _of_smooth(points, points, speed)
        self.shake, self.smooth = (seen(seen(kernel).T).T for kernel in (shake, smooth))
        apart = (torch.arange(GROUPS)[:, None] - torch.arange(GROUPS)) / BIAS_REACH
        alike = (-apart.square() / 2).exp().double()
        self.bias = BIAS**2 * torch.block_diag(*[alike] * (len(times) // GROUPS))
        self.shake_there = seen(_of_shake(grid, points))
        self.smooth_there = seen(_of_smooth(grid, points, speed))

    def posterior(
        self, bent: torch.Tensor, error: torch.Tensor
    ) -> tuple[torch.Tensor, float, torch.Tensor]:
        """Return the path [2, m] that combinations [g, 2] with these errors tell of, how strong its
        shake is, and the combinations [g, 2] that it would show.

        Strength and doubt are those under which what was seen is likeliest.
        """
        choices = torch.cartesian_prod(bent.new_tensor(STRENGTHS), bent.new_tensor(DOUBTS))
        strength, doubt = choices[self._cost(choices, bent, error).argmin()]
        factor = self._factor(strength[None], doubt * error.T)
        solved = torch.cholesky_solve(bent.T[..., None], factor)[..., 0]
        shake = strength**2
        values = solved @ (shake * self.shake_there + self.smooth_there).T
        fitted = solved @ (shake * self.shake + self.smooth).T
        return values, float(strength), fitted.T

    def _factor(self, strengths: torch.Tensor, error: torch.Tensor) -> torch.Tensor:
        """Return the Cholesky factors [m, g, g] of the covariances of what is seen, for strengths
        [m] (or one for all) and errors [m, g]."""
        fixed = self.smooth + self.bias
        covariance = (
            strengths[:, None, None] ** 2 * self.shake + fixed + error.square().diag_embed()
        )
        factor: torch.Tensor = torch.linalg.cholesky(covariance)
        return factor

    def _cost(self, choices: torch.Tensor, bent: torch.Tensor, error: torch.Tensor) -> torch.Tensor:
        """Return -log p [m] of what was seen, but for a constant, by strength and doubt [m, 2]."""
        cost = torch.zeros_like(choices[:, 0])
        for seen, unsure in zip(bent.T, error.T, strict=True):
            factor = self._factor(choices[:, 0], choices[:, 1:] * unsure)
            wanted = seen[:, None].expand(len(choices), -1, 1)
            white = torch.linalg.solve_triangular(factor, wanted, upper=False)
            cost += white.square().sum((1, 2)) / 2
            cost += factor.diagonal(dim1=1, dim2=2).log().sum(1)
        return cost


def _of_shake(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the covariance [a, b] of a shake of 1 px rms at times [a] and [b]."""
    octaves = (torch.arange(TONES, dtype=first.dtype) + 0.5) / TONES
    tones = SLOWEST * (FASTEST / SLOWEST) ** octaves
    root = (1 / tones / (1 / tones).sum()).sqrt()
    a, b = (2 * math.pi * times[:, None] * tones for times in (first, second))
    return (a.cos() * root) @ (b.cos() * root).T + (a.sin() * root) @ (b.sin() * root).T


def _of_smooth(first: torch.Tensor, second: torch.Tensor, speed: float) -> torch.Tensor:
    """Return the covariance [a, b] of smooth changes of a velocity of `speed` px a frame time."""
    total = torch.zeros((len(first), len(second)), dtype=first.dtype)
    for power, share in SMOOTH:
        total += (share * speed) ** 2 * first[:, None] ** power * second[None] ** power
    return total


def _summed(values: torch.Tensor, group: torch.Tensor) -> torch.Tensor:
    """Return the sums [g, c] of values [m, c] over groups [m]."""
    total = torch.zeros((GROUPS, values.shape[1]), dtype=values.dtype)
    return total.index_add_(0, group, values)
