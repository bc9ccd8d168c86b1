"""Combine the likelihoods of all witnesses, and choose the blur that is safest to undo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from burst.ops.blur.candidates import (
    BANDS,
    FINEST,
    Candidates,
    half_height,
)  # fmt: skip
from burst.ops.blur.psf import radial_mean

# dB that an image loses by a PSF whose transfer function falls to half at e^x times the true
# frequency: mean over 58 stacks (burst's simulator, layers of air, charts), deconvolved by the PSF
# of air at D/r0 = 2.8, widened and narrowed. Too much costs about twice as much as too little; the
# narrower the blur, the more, since more of the scene then stands out of the noise.
OFF = (-1.5, -0.69, -0.36, -0.22, -0.105, 0.0, 0.095, 0.22, 0.405, 0.69, 1.5)
LOSS = (14.0, 8.2, 4.1, 2.1, 0.65, 0.0, 0.15, 0.95, 2.2, 3.5, 6.0)
USUAL_HALF, NARROWER = 0.12, 0.7  # cycles per pixel where it is so; power of the half height
CHOICES = np.exp(np.linspace(np.log(0.03), np.log(FINEST), 69))
CLEAR = 0.45  # cycles per pixel: what falls to half beyond it is not worth undoing
# dB by which the PSF of all witnesses has to be expected to be better than the motion's, to be used
# in part, and to be used alone. Chosen on 99 stacks of burst's simulators and of other worlds, flat
# within .03 dB from (0, .6) to (0, 1.2); what clean stacks differ by is less than the first.
WORTH = (0.1, 0.9)
ALIKE = 0.05  # dB of expected loss within which choices count alike; flat between .02 and .2
POWERS = np.linspace(4.0, 0.1, 157)  # of a transfer function: their half heights rise
# Probability of no blur, up to which one is undone. Stacks with a blur lie below .05; a sharp scene
# that something else than air bends has .6, and loses 7 dB by the blur that is else believed.
MOST_NONE = 0.3

# Before anything is seen: log rms of the sampling, what a static blur and none are less likely by.
SAMPLING_ERROR = 0.35
STATIC_ODDS, NONE_ODDS, WEAK_ODDS = -1.0, 2.0, -2.0
WEAK = 0.5  # D/r0 below which there is no air to speak of, and mostly no telescope either
CALM_ODDS = 8.0  # for none, where no witness speaks of air


@dataclass(frozen=True)
class Belief:
    """Probabilities [c] of the candidates; the frequency of half height in the middle of what is
    believed, and its log standard deviation."""

    blurs: Candidates
    probability: np.ndarray
    half: float
    spread: float

    @property
    def transfer(self) -> list[float]:
        """The mean transfer function [BANDS] of what is believed."""
        return list((self.probability @ self.blurs.transfer).tolist())

    @property
    def none(self) -> float:
        """The probability that there is no blur."""
        return float(self.probability[self.blurs.none][0])

    def loss(self, half: float) -> float:
        """Return the expected loss (dB) by a PSF that falls to half at this frequency."""
        true = self.blurs.half
        off = np.log(half / true)
        scale = np.where(off < 0, (np.minimum(true, CLEAR) / USUAL_HALF) ** NARROWER, 1.0)
        return float(self.probability @ (scale * np.interp(off, OFF, LOSS)))


def weigh(blurs: Candidates, told: float, witnesses: list[np.ndarray], calm: bool) -> Belief:
    """Return what is to be believed after log-likelihoods [c] of all witnesses; `calm` says that
    none speaks of air."""
    log = _before(blurs, told) + np.sum(witnesses, axis=0)
    log = log + np.where(blurs.none & calm, CALM_ODDS, 0.0)
    probability = np.exp(log - log.max())
    probability /= probability.sum()
    log_half = np.log(blurs.half)
    order = np.argsort(log_half)
    below = probability[order].cumsum() - probability[order] / 2
    middle = float(np.exp(np.interp(0.5, below, log_half[order])))
    mean = float(probability @ log_half)
    spread = float(np.sqrt(probability @ (log_half - mean) ** 2))
    return Belief(blurs, probability, middle, spread)


def choice(belief: Belief, of_motion: float) -> tuple[float, float]:
    """Return the half height of the blur by all witnesses, and its share, 0 to 1, in the PSF that
    is used; the rest is the motion's, which falls to half at `of_motion`. Where there may be no
    blur at all, none is undone. Both change little where the witnesses do."""
    if belief.none > MOST_NONE:
        return FINEST, 1.0
    best = safest(belief)
    gain = belief.loss(of_motion) - belief.loss(best)
    return best, float(np.interp(gain, WORTH, (0.0, 1.0)))


def safest(belief: Belief) -> float:
    """Return the half height by which the least is lost, as far as is believed: the mean of all by
    which hardly more is lost, so that it does not jump from one to another."""
    loss = np.array([belief.loss(half) for half in CHOICES])
    weight = np.exp((loss.min() - loss) / ALIKE)
    return float(np.exp(weight @ np.log(CHOICES) / weight.sum()))


def profile(belief: Belief, half: float) -> torch.Tensor:
    """Return the transfer function [BANDS - 1] up to Nyquist: the mean of what is believed, to the
    power by which it falls to half at `half`; ones where that is beyond what pixels show.

    A power leaves the optics' cut-off where it is: .04 dB better on 89 stacks of other worlds than
    shapes whose frequencies are scaled, by .2 on a roof, and .1 worse out of focus.
    """
    if half >= CLEAR:
        return torch.ones(BANDS - 1)
    curve = np.array(belief.transfer).clip(1e-6)
    power = float(np.interp(half, [half_height(curve**p) for p in POWERS], POWERS))
    return torch.from_numpy(curve[:-1] ** power).float()


def half_of(psf: torch.Tensor) -> float:
    """Return the frequency at which the transfer function of a PSF [k, k] falls to half."""
    size, k = 2 * (BANDS - 1), psf.shape[-1]
    outside = max(0, k - size + 1) // 2
    kernel = psf.cpu().double()[outside : k - outside, outside : k - outside]
    spectrum = torch.fft.fft2(kernel / kernel.sum(), s=(size, size)).abs()
    curve = radial_mean(spectrum).numpy()
    return half_height(np.append(curve, curve[-1]))


def _before(blurs: Candidates, told: float) -> np.ndarray:
    """Return log-probabilities [c], but for a constant, before anything is seen."""
    off = (np.log(blurs.sampling / told) / SAMPLING_ERROR).clip(-3, 3)
    log = -0.5 * np.where(blurs.none, 0.0, off) ** 2
    log = log + np.where(blurs.static > 0, STATIC_ODDS - 0.5 * (blurs.static / 2) ** 2, 0.0)
    log = log + np.where((blurs.d_over_r0 < WEAK) & ~blurs.none, WEAK_ODDS, 0.0)
    return np.asarray(log + np.where(blurs.none, NONE_ODDS, 0.0))
