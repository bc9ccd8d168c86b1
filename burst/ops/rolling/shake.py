"""Estimate the shake of a camera from three or more frames whose rows are read one after another.

Two frames cannot distinguish a shake from depth that varies over the rows. Three can: a point that
moves steadily moves along a straight line, and deviations from it that all points of a row share
are the camera's. They sample the shake at lags of whole frame times only; a Gaussian process fills
the rest, with a strength that maximises the likelihood of the deviations (Rasmussen and Williams,
Gaussian Processes for Machine Learning, 2006, eq. 2.23 and 5.8).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from einops import einsum, rearrange
from torch.nn import functional

# The numbers below were chosen by hand; docs/methods.md gives the results with them.
SPARSE = 2  # px; flow is smoother than that
MIN_TRUST = 0.8  # of flow that counts
GROUPS = 48  # of rows, whose points are averaged
MIN_SHARE = 0.1  # of the points, of all or of a group, that have to count
SAME_PLANE = 1.0  # px a frame time; points whose velocities differ by less move with one plane
OUTLIER_WIDTHS = (2.0, 1.0, 0.5, 0.5)  # px, of the robust weight, ever narrower
CORRELATED_POINTS = 4.0  # neighbouring points, whose errors count as one
MIN_ERROR = 0.02  # px, of the mean of a group
# Errors of flow that neighbouring rows share: px rms, and over how many groups.
BIAS, BIAS_REACH = 0.1, 4.0
UNKNOWN_ERROR = 1e3  # px; the error of a group without enough points
# A shake is a sum of tones whose power falls as 1 / frequency; in cycles in a frame time.
SLOWEST, FASTEST, TONES = 0.1, 2.0, 96
STRENGTHS = (0.0, *(0.02 * 2**k for k in range(7)))  # px rms
ERROR_SCALES = (1.0, 2.0, 4.0, 8.0)  # of the errors, in units of those that the scatter gives
# Besides, the velocity changes smoothly: coefficients of t^2 and t^3, as shares of the velocity.
SMOOTH = ((2, 0.15), (3, 0.03))
STEP = 1 / 64  # frame times, between the values of a shake
REPORTED_STEP = 1 / 16  # frame times, between the points in the report
VELOCITY_SPAN = 1 / 16  # frame times, over which a velocity is measured


@dataclass(frozen=True)
class Shake:
    """How the camera's shake displaces all points: values [2, m] px, `STEP` frame times apart from
    `start` on, linear between and constant beyond; `strength` is its rms, px."""

    start: float
    values: torch.Tensor
    strength: float

    @property
    def end(self) -> float:
        """When the values end, in frame times."""
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
        """Return the strength, and the displacement at times `REPORTED_STEP` apart."""
        times = torch.arange(self.start, self.end, REPORTED_STEP)
        dx, dy = self.at(times).tolist()
        return {"strength": self.strength, "time": times.tolist(), "dx": dx, "dy": dy}

    def velocity(self, time: float) -> torch.Tensor:
        """Return the velocity [2] px a frame time at a time."""
        ends = self.at(torch.tensor([time - VELOCITY_SPAN / 2, time + VELOCITY_SPAN / 2]))
        return (ends[:, 1] - ends[:, 0]) / VELOCITY_SPAN


@dataclass(frozen=True)
class TimedFlow:
    """Flow [2, h, w] px of a frame to another with its trust [h, w], and the times [h, w] at which
    the points are read in the other frame."""

    flow: torch.Tensor
    trust: torch.Tensor
    times: torch.Tensor

    def sparse(self) -> TimedFlow:
        """Return every `SPARSE`th point along both axes."""
        some = (..., slice(None, None, SPARSE), slice(None, None, SPARSE))
        return TimedFlow(self.flow[some], self.trust[some], self.times[some])


def find_shake(own: torch.Tensor, flows: Sequence[TimedFlow]) -> Shake | None:
    """Estimate the shake near a frame whose points are read at times `own` [h, w]; None if
    impossible.

    Two other frames and enough trusted points are needed. The shake is without any steady motion.
    The first of `flows` is the reference of the others and should be the closest frame.
    """
    if len(flows) < 2:
        return None
    own = own[::SPARSE, ::SPARSE]
    first, *others = (one.sparse() for one in flows)
    seen = torch.stack([one.trust for one in (first, *others)]).amin(0) > MIN_TRUST
    velocity = first.flow / (first.times - own)
    if float(seen.float().mean()) > MIN_SHARE:
        seen = seen & _on_main_plane(velocity, seen)
    if float(seen.float().mean()) < MIN_SHARE:
        return None
    origin = float(own.mean())
    deviations = [_deviation(own, first, other, seen, origin) for other in others]
    reach = max(float((one.times - origin).abs().max()) for one in (first, *others))
    process = _GaussianProcess(
        torch.cat([one.times for one in deviations]),
        torch.cat([one.weights for one in deviations]),
        torch.arange(-reach, reach + STEP, STEP, dtype=torch.float64),
        float(velocity[:, seen].square().sum(0).mean().sqrt()) + SAME_PLANE,
    )
    expected = [one.middle() for one in deviations]
    for width in OUTLIER_WIDTHS:
        found = [one.means(e, width) for one, e in zip(deviations, expected, strict=True)]
        mean, error = (torch.cat(parts) for parts in zip(*found, strict=True))
        values, strength, fitted = process.posterior(mean, error)
        expected = list(fitted.split(GROUPS))
    return Shake(origin - reach, values.float(), strength)


@dataclass(frozen=True)
class _Deviation:
    """How far points are from steady motion in a third frame.

    deviation  [m, 2] px of each point
    group      [m] of each point
    size       [g] points of each group, seen or not
    times      [g, 3] mean times of a group in its own, the reference and the other frame
    weights    [g, 3] of the camera's displacements at these times, whose sum is the deviation
    """

    deviation: torch.Tensor
    group: torch.Tensor
    size: torch.Tensor
    times: torch.Tensor
    weights: torch.Tensor

    def middle(self) -> torch.Tensor:
        """Return the median of all points, repeated for every group [g, 2]."""
        return self.deviation.median(dim=0).values.expand(GROUPS, 2)

    def means(self, expected: torch.Tensor, width: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the robust mean [g, 2] px of each group and its error [g, 2] px. Points further
        than about `width` px from what is expected [g, 2] get a small weight."""
        apart = (self.deviation - expected[self.group]).norm(dim=1, keepdim=True)
        weight = (1 + (apart / width) ** 2) ** -2
        total = _summed(weight, self.group)
        mean = _summed(weight * self.deviation, self.group) / total.clamp(min=1e-6)
        scatter = _summed((weight * (self.deviation - mean[self.group])).square(), self.group)
        error = (CORRELATED_POINTS * scatter).sqrt() / total.clamp(min=1e-6) + MIN_ERROR
        few = total <= MIN_SHARE * self.size[:, None]
        return mean.masked_fill(few, 0.0), error.masked_fill(few, UNKNOWN_ERROR)


def _deviation(
    own: torch.Tensor, first: TimedFlow, other: TimedFlow, seen: torch.Tensor, origin: float
) -> _Deviation:
    """Return the deviations of points seen [h, w] from steady motion between `first` and `other`. A
    steady velocity cancels, whichever a point has."""
    rows, columns = seen.shape
    everywhere = (torch.arange(rows) * GROUPS // rows)[:, None].expand(rows, columns)
    group = everywhere[seen]
    ratio = (other.times - own) / (first.times - own)
    maps = torch.stack([own - origin, first.times - origin, other.times - origin, ratio], dim=-1)
    count = torch.bincount(group, minlength=GROUPS)[:, None].clamp(min=1)
    means = _summed(maps[seen].double(), group) / count
    share = means[:, 3]
    return _Deviation(
        rearrange(other.flow - ratio * first.flow, "xy h w -> h w xy")[seen].double(),
        group,
        torch.bincount(everywhere.flatten(), minlength=GROUPS),
        means[:, :3],
        torch.stack([share - 1, -share, torch.ones_like(share)], dim=1),
    )


def _on_main_plane(velocity: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """Return where velocities [2, h, w] are those of the plane with which most points seen move. An
    object that accelerates by itself would otherwise be taken for the camera."""
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
        width = max(narrower * spread, SAME_PLANE)
        weight = (1 + (values - points @ answer).square().sum(1, keepdim=True) / width**2) ** -2
        normal = points.T @ (weight * points) + 1e-3 * torch.eye(3)
        answer = torch.linalg.solve(normal, points.T @ (weight * values))
    expected = rearrange(plane @ answer, "h w xy -> xy h w")
    near: torch.Tensor = (velocity - expected).norm(dim=0) < 2 * SAME_PLANE
    return near


class _GaussianProcess:
    """The shake as a Gaussian process, observed as weighted sums of its values. `weights` [g, 3]
    belong to the values at `times` [g, 3]; `grid` [m] are the times at which the shake is wanted;
    `speed` px a frame time scales the smooth changes of velocity."""

    def __init__(
        self, times: torch.Tensor, weights: torch.Tensor, grid: torch.Tensor, speed: float
    ) -> None:
        points = times.flatten()

        def seen(kernel: torch.Tensor) -> torch.Tensor:
            by_group = rearrange(kernel, "a (g three) -> a g three", three=3)
            return einsum(by_group, weights, "a g three, g three -> a g")

        shake, smooth = _shake_covariance(points, points), _smooth_covariance(points, points, speed)
        self.shake, self.smooth = (seen(seen(kernel).T).T for kernel in (shake, smooth))
        apart = (torch.arange(GROUPS)[:, None] - torch.arange(GROUPS)) / BIAS_REACH
        alike = (-apart.square() / 2).exp().double()
        self.bias = BIAS**2 * torch.block_diag(*[alike] * (len(times) // GROUPS))
        self.shake_there = seen(_shake_covariance(grid, points))
        self.smooth_there = seen(_smooth_covariance(grid, points, speed))

    def posterior(
        self, deviation: torch.Tensor, error: torch.Tensor
    ) -> tuple[torch.Tensor, float, torch.Tensor]:
        """Return the mean shake [2, m] px given sums [g, 2] with errors [g, 2], its strength in px
        rms, and the sums [g, 2] that it predicts. The strength and the scale of the errors are
        those of the highest likelihood."""
        choices = torch.cartesian_prod(
            deviation.new_tensor(STRENGTHS), deviation.new_tensor(ERROR_SCALES)
        )
        strength, error_scale = choices[self._cost(choices, deviation, error).argmin()]
        factor = self._factor(strength[None], error_scale * error.T)
        solved = torch.cholesky_solve(deviation.T[..., None], factor)[..., 0]
        shake = strength**2
        values = solved @ (shake * self.shake_there + self.smooth_there).T
        fitted = solved @ (shake * self.shake + self.smooth).T
        return values, float(strength), fitted.T

    def _factor(self, strengths: torch.Tensor, error: torch.Tensor) -> torch.Tensor:
        """Return the Cholesky factors [m, g, g] of the covariances of the sums, for strengths [m]
        (or one for all) and errors [m, g]."""
        fixed = self.smooth + self.bias
        covariance = (
            strengths[:, None, None] ** 2 * self.shake + fixed + error.square().diag_embed()
        )
        factor: torch.Tensor = torch.linalg.cholesky(covariance)
        return factor

    def _cost(
        self, choices: torch.Tensor, deviation: torch.Tensor, error: torch.Tensor
    ) -> torch.Tensor:
        """Return the negative log likelihood [m] of the sums, but for a constant, for each strength
        and scale of errors [m, 2]."""
        cost = torch.zeros_like(choices[:, 0])
        for seen, unsure in zip(deviation.T, error.T, strict=True):
            factor = self._factor(choices[:, 0], choices[:, 1:] * unsure)
            wanted = seen[:, None].expand(len(choices), -1, 1)
            white = torch.linalg.solve_triangular(factor, wanted, upper=False)
            cost += white.square().sum((1, 2)) / 2
            cost += factor.diagonal(dim1=1, dim2=2).log().sum(1)
        return cost


def _shake_covariance(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the covariance [a, b] px^2 of a shake of 1 px rms at times [a] and [b]."""
    octaves = (torch.arange(TONES, dtype=first.dtype) + 0.5) / TONES
    tones = SLOWEST * (FASTEST / SLOWEST) ** octaves
    root = (1 / tones / (1 / tones).sum()).sqrt()
    a, b = (2 * math.pi * times[:, None] * tones for times in (first, second))
    return (a.cos() * root) @ (b.cos() * root).T + (a.sin() * root) @ (b.sin() * root).T


def _smooth_covariance(first: torch.Tensor, second: torch.Tensor, speed: float) -> torch.Tensor:
    """Return the covariance [a, b] px^2 of smooth velocity changes; `speed` px a frame time."""
    total = torch.zeros((len(first), len(second)), dtype=first.dtype)
    for power, share in SMOOTH:
        total += (share * speed) ** 2 * first[:, None] ** power * second[None] ** power
    return total


def _summed(values: torch.Tensor, group: torch.Tensor) -> torch.Tensor:
    """Return the sums [g, c] of values [m, c] over groups [m]."""
    total = torch.zeros((GROUPS, values.shape[1]), dtype=values.dtype)
    return total.index_add_(0, group, values)
