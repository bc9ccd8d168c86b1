"""Measure the blur in four ways: each witness is a log-likelihood of every candidate (see
`ops.blur.candidates`).

`motion`     displacements of neighbours differ as D/r0 and sampling say, for a beam of any width
`variation`  how much the blur changes from frame to frame, by frequency: the scene cancels
`spectrum`   how power falls with frequency, which is steeper than scenes are by the blur's square
`edges`      how wide the sharpest steps are: no blur is wider, and mostly it is hardly narrower

The limits were measured on stacks of burst's simulator, of layers of air (aperture, roof, road,
near the scene; pixels of half to twice Nyquist; defocus; JPEG) and of still cameras.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from burst.ops.blocks import BlockTensor, whole
from burst.ops.blur.candidates import BANDS, FREQUENCY, Candidates
from burst.ops.blur.edges import Edges, width_behind
from burst.ops.samples import mean_of_samples, sample
from burst.ops.warp import warp
from burst.records import NoiseModel

MOST_FRAMES, NOISE_FRAMES = 24, 4
SIDE = 256  # px of the middle that is looked at

# Motion: log rms of (D/r0)^(5/6) / sampling. Beams of other widths and outer scales move points
# 1.5 times more or less; where beams are those of burst's simulator, 1.16 times (77 stacks of it).
MOTION_ERROR, USUAL_MOTION_ERROR = 0.4, 0.15
MOTION_MISSED = 0.08  # mean log that registration misses: 26 stacks of it, of 33 to 48 frames
MOTION_TAIL = 3.0  # degrees of freedom of Student's t: water, codecs and hands move points as well
USUAL = 0.3  # share of stacks whose beams are usual; on 25 stacks of layers better than .5 by .1 dB
STILL = 0.35  # below it displacements are those of noise
SPEAKS = 5.0  # log-likelihood; 3.3 in still stacks, 7.7 and more where air is in front of the lens

# Variation: registration takes part of it for motion, half or so; the rest is theory's within 10 %.
TAKEN, TAKEN_ERROR = 0.6, 0.5  # median share left, log rms
VARIATION_ERROR, LEAST_VARIATION = 0.1, 0.006
JITTERS, USUAL_JITTER = (0.0, 0.08, 0.15, 0.25), 0.12  # px rms that registration leaves
NOISE_ERROR = 0.05  # of its power
MOST_NOISE = 1.3  # times the model's; more is that of a codec, whose changes are no blur's
NEIGHBOURS = 4.0  # bands that err alike

# Spectrum: of 237 photographs and charts power falls as f^-2.4, give or take .6, and about that
# line it strays by 1.6 times over an octave.
FALL, FALL_ERROR = 2.4, 0.6
STRAY, STRAY_LENGTH, STRAY_BAND = 0.5, 0.5, 0.12  # log power; log frequency; log power
TAIL = 4.0  # degrees of freedom of Student's t: some scenes are softer than all of these
FEWEST_BANDS = 5

# Edges: log of the width over what the blur alone leaves. Measured on 132 stacks of simulated air,
# layers of air, still cameras, and charts. Where a blur is wide, hardly an edge stands alone, and
# those that are taken look sharper.
OWN_WIDTH, SHARPER_ERROR, SOFTER_ERROR = 0.02, 0.08, 0.1
CROWDED, ALONE_UP_TO = 0.4, 3.2  # share of the log width that is lost beyond so many px
CROWDED_ERROR = 0.2  # of that share: on 79 simulated stacks .05 dB less is expected to be lost
# Behind a codec, which takes out fine detail, edges stand alone more often. Of 1, .5 and 0 the best
# on 10 simulated stacks.
CROWDED_BEHIND_CODEC = 0.5
EDGE_ERROR = 0.4  # of a single edge
SHARPER_TAIL, SOFTER_TAIL = 6.0, 3.0  # degrees of freedom of Student's t: some scenes are soft


@dataclass(frozen=True)
class Moments:
    """Spectra [BANDS] of aligned frames, radial means: what they differ by from their mean, what
    noise alone does, and the mean's own power without either; the frames; values in each ring."""

    scatter: np.ndarray
    noise: np.ndarray
    power: np.ndarray
    frames: int
    values: np.ndarray

    @property
    def power_error(self) -> np.ndarray:
        """The standard deviation of the mean's power."""
        return self.scatter / self.frames * np.sqrt(2 / self.values) + 1e-30

    @property
    def resampling(self) -> np.ndarray:
        """What resampling leaves of an amplitude."""
        return np.sqrt(self.noise / max(float(self.noise[1:6].mean()), 1e-30)).clip(0.1, 1.0)

    @property
    def excess(self) -> float:
        """The scatter over noise where no scene is seen."""
        ratio = self.scatter / np.maximum(self.noise, 1e-30)
        unseen = (self.power < self.scatter / self.frames) & (np.arange(BANDS) >= BANDS // 3)
        return float(np.median(ratio[unseen] if unseen.sum() >= 4 else ratio[-4:]))

    @property
    def is_coded(self) -> bool:
        """Whether a codec stood between: it changes more than noise does."""
        return self.excess > MOST_NOISE


def moments(
    frames: torch.Tensor,
    displacement: torch.Tensor,
    valid: torch.Tensor | None,
    noise: NoiseModel,
    trust: torch.Tensor | None = None,
) -> Moments:
    """Look at frames [n, h, w] aligned by displacement [n, 2, h', w'], in the grid's middle, as far
    as there is `trust` [h', w'], which falls gently to 0."""
    if len(frames) > MOST_FRAMES:
        chosen = torch.linspace(0, len(frames) - 1, MOST_FRAMES).round().long()
        frames, displacement = frames[chosen], displacement[chosen]
        valid = None if valid is None else valid[chosen]
    top, left = _corner(displacement)
    flow = _middle(displacement)
    values, counts = _sampled(frames, flow, valid)
    mean = mean_of_samples(values, counts)
    rest = values - mean if counts is None else (values - mean) * counts
    window = _window(mean)
    if trust is not None:
        window = window * trust[top : top + SIDE, left : left + SIDE]
        window /= window.square().mean().sqrt().clamp(min=1e-6)
    rings, size = _rings(mean), mean.numel()
    count = len(values)
    scatter = _spectrum(rest * window, rings) / (size * max(count - 1, 1))
    white = torch.randn(
        (min(NOISE_FRAMES, count), *frames.shape[1:]), generator=torch.Generator().manual_seed(0)
    ).to(frames)
    deviation = (noise.shot * mean.clamp(min=0) + noise.read).sqrt()
    grain = warp(white, whole(flow[: len(white)])) * deviation * window
    level = (mean * window).sum() / window.sum()
    seen = _spectrum(((mean - level) * window)[None], rings) / size
    return Moments(
        scatter,
        _spectrum(grain, rings) / (size * len(white)),
        seen - scatter / count,
        count,
        rings[1],
    )


def _sampled(
    frames: torch.Tensor, flow: torch.Tensor, valid: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return few frames as `sample` does, in memory."""
    if not isinstance(frames, BlockTensor):
        return sample(frames, flow, valid)
    found = []
    for first in range(0, len(frames), frames.step):
        chunk = slice(first, first + frames.step)
        found.append(sample(frames[chunk], flow[chunk], None if valid is None else valid[chunk]))
    values, counts = zip(*found, strict=True)
    return torch.cat(values), None if counts[0] is None else torch.cat(counts)


def is_calm(d_over_r0: float, told: float, variation: np.ndarray | None, blurs: Candidates) -> bool:
    """Return whether there is no sign of air: points do not move, and no candidate explains how the
    frames vary better than none. A blur that all frames share looks like a soft scene, so a sharp
    image would be ruined where there is none."""
    if d_over_r0 ** (5 / 6) / told >= STILL:
        return False
    if variation is None:
        return True
    return float(variation.max() - variation[blurs.none][0]) < SPEAKS


def of_motion(d_over_r0: float, told: float, blurs: Candidates) -> np.ndarray:
    """Return log-likelihoods [c] of the D/r0 that the motion suggests at the sampling told."""
    found = math.log(max(d_over_r0, 0.02) ** (5 / 6) / told) + MOTION_MISSED
    expected = (5 / 6) * np.log(np.maximum(blurs.d_over_r0, 0.15)) - np.log(blurs.sampling)
    expected[blurs.none] = min(found, math.log(STILL))
    off = expected - found
    if found < math.log(STILL):
        # Less motion than can be seen: only air that would move points more is spoken against.
        off = (expected - math.log(STILL)).clip(0)
    any_beam = -0.5 * (MOTION_TAIL + 1) * np.log1p((off / MOTION_ERROR) ** 2 / MOTION_TAIL)
    any_beam = any_beam + math.log((1 - USUAL) / MOTION_ERROR)
    usual = -0.5 * (off / USUAL_MOTION_ERROR) ** 2 + math.log(USUAL / USUAL_MOTION_ERROR)
    # All of the usual share lies on the few candidates at the sampling told without static blur.
    at_told = np.isclose(blurs.sampling, told) & (blurs.static == 0)
    usual = usual + math.log(len(at_told) / 10 / max(int(at_told.sum()), 1))
    return np.asarray(np.where(at_told, np.logaddexp(any_beam, usual), any_beam))


def of_variation(seen: Moments, blurs: Candidates) -> np.ndarray | None:
    """Return log-likelihoods [c] of how frames vary about their mean; None where noise hides it."""
    excess = seen.excess
    if seen.frames < 3 or seen.is_coded:
        return None
    noise = seen.noise * min(max(excess, 0.8), 1.3)
    share = seen.scatter / seen.frames
    good = (seen.power > 5 * seen.power_error) & (seen.power > 3 * share)
    good[0] = False
    if good.sum() < 3:
        return None
    power, f = seen.power[good], FREQUENCY[good]
    # Where noise was taken for more than it is, nothing is left; less than nothing is no witness.
    found = ((seen.scatter[good] - noise[good]) / power).clip(0)
    chance = 2 * seen.scatter[good] / np.sqrt(seen.frames * seen.values[good]) / power
    known = chance**2 + (NOISE_ERROR * noise[good] / power) ** 2 + LEAST_VARIATION**2
    likelihoods = []
    for deviation in np.linspace(-2, 2, 9):
        expected = TAKEN * math.exp(TAKEN_ERROR * deviation) * blurs.variation[:, good]
        for jitter in JITTERS:
            model = expected + np.expm1((2 * math.pi * f * jitter) ** 2)
            variance = known + (VARIATION_ERROR * model) ** 2
            fit = ((model - found) ** 2 / variance + np.log(variance)).sum(1) / NEIGHBOURS
            doubt = deviation**2 + (jitter / USUAL_JITTER) ** 2
            likelihoods.append(-0.5 * (fit + doubt))
    return np.asarray(np.logaddexp.reduce(likelihoods, axis=0) - math.log(len(likelihoods)))


def of_spectrum(seen: Moments, blurs: Candidates) -> np.ndarray | None:
    """Return log-likelihoods [c] of how the mean's power falls; None where too little is seen."""
    good = (seen.power > 4 * seen.power_error) & (seen.power > 0.5 * seen.scatter / seen.frames)
    good[:2] = False
    lost = np.flatnonzero(~good[2:])
    bands = np.arange(2, 2 + int(lost[0]) if len(lost) else BANDS)
    if len(bands) < FEWEST_BANDS:
        return None
    log_f = np.log(FREQUENCY[bands] / FREQUENCY[bands[0]])
    apart = (log_f[:, None] - log_f[None]) / STRAY_LENGTH
    own = STRAY_BAND**2 + (seen.power_error[bands] / seen.power[bands]) ** 2
    covariance = STRAY**2 * np.exp(-0.5 * apart**2) + np.diag(own)
    # Nothing is known of how much contrast a scene has.
    covariance += 100 + FALL_ERROR**2 * np.outer(log_f, log_f)
    transfer = blurs.transfer[:, bands] * seen.resampling[bands]
    rest = np.log(seen.power[bands]) + FALL * log_f - 2 * np.log(transfer + 1e-5)
    square = np.einsum("ci,ij,cj->c", rest, np.linalg.inv(covariance), rest)
    return np.asarray(-0.5 * (TAIL + 1) * np.log1p(square / TAIL))


def of_edges(found: Edges | None, is_coded: bool, blurs: Candidates) -> np.ndarray | None:
    """Return log-likelihoods [c] of the width of edges, behind a codec or not; None where too few
    are seen."""
    if found is None:
        return None
    expected = np.log(width_behind(blurs.transfer)) + OWN_WIDTH
    crowd = (expected - math.log(ALONE_UP_TO)).clip(0)
    expected = expected - CROWDED * (CROWDED_BEHIND_CODEC if is_coded else 1.0) * crowd
    off = math.log(found.width) - expected
    scene = np.where(off < 0, SHARPER_ERROR, SOFTER_ERROR)
    tail = np.where(off < 0, SHARPER_TAIL, SOFTER_TAIL)
    error = np.sqrt(scene**2 + EDGE_ERROR**2 / found.count + (CROWDED_ERROR * crowd) ** 2)
    return np.asarray(-0.5 * (tail + 1) * np.log1p((off / error) ** 2 / tail))


def _corner(displacement: torch.Tensor) -> tuple[int, int]:
    """Return the first row and column of the middle of a grid [..., h, w]."""
    height, width = displacement.shape[-2:]
    return max(0, height - SIDE) // 2, max(0, width - SIDE) // 2


def _middle(displacement: torch.Tensor) -> torch.Tensor:
    """Return the displacement [n, 2, SIDE, SIDE] of the middle, from a grid that begins there."""
    top, left = _corner(displacement)
    part = displacement[..., top : top + SIDE, left : left + SIDE]
    return part + part.new_tensor([left, top])[:, None, None]


def _window(like: torch.Tensor) -> torch.Tensor:
    """Return a Hann window [h, w] of mean square 1."""
    rows, columns = (
        torch.hann_window(length, periodic=False, dtype=like.dtype, device=like.device)
        for length in like.shape
    )
    window = torch.outer(rows, columns)
    return window / window.square().mean().sqrt()


def _rings(like: torch.Tensor) -> tuple[torch.Tensor, np.ndarray]:
    """Return the ring of each value of rfft2, flat, BANDS beyond Nyquist; values in each ring."""
    height, width = like.shape
    f = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width))
    ring = (f * 2 * (BANDS - 1)).round().long().clamp(max=BANDS).flatten()
    values = torch.bincount(ring, minlength=BANDS + 1)[:BANDS].double().numpy()
    return ring.to(like.device), np.maximum(values, 1.0)


def _spectrum(images: torch.Tensor, rings: tuple[torch.Tensor, np.ndarray]) -> np.ndarray:
    """Return the radial mean power [BANDS] of images [n, h, w], summed over images."""
    ring, values = rings
    total = torch.zeros(images.shape[1], images.shape[2] // 2 + 1).to(images)
    for image in images:
        total += torch.fft.rfft2(image).abs().square()
    flat = total.cpu().double().flatten()
    summed = torch.zeros(BANDS + 1, dtype=torch.float64).index_add_(0, ring.cpu(), flat)
    return np.asarray(summed[:BANDS].numpy() / values)
