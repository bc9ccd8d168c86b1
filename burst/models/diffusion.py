"""A few steps of diffusion on the prior, not on the image (DiffIR, arXiv 2303.09472).

The forward process is z_t = sqrt(a_t) z + sqrt(1 - a_t) e. The denoiser predicts z itself; each
step back is the posterior mean (Ho et al., arXiv 2006.11239, Eq. 7), with no noise added.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import accumulate
from operator import mul

import torch
from torch import nn
from torch.nn import functional

FIRST_BETA, LAST_BETA = 0.1, 0.99

# (condition [b, t, d], time in (0, 1], noisy prior [b, t, d]) -> prior [b, t, d]
Predict = Callable[[torch.Tensor, float, torch.Tensor], torch.Tensor]


class Denoiser(nn.Module):
    """An MLP that predicts the prior from a noisy one, the time, and the encoder's output."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(2 * width + 1, 2 * width)
        self.second = nn.Linear(2 * width, 2 * width)
        self.last = nn.Linear(2 * width, width)

    def forward(self, condition: torch.Tensor, time: float, noisy: torch.Tensor) -> torch.Tensor:
        """Return the prior [b, t, d] for condition and noisy prior [b, t, d]; time in (0, 1]."""
        now = torch.full_like(noisy[..., :1], time)
        x = functional.gelu(self.first(torch.cat([condition, now, noisy], dim=-1)))
        x = x + functional.gelu(self.second(x))
        prior: torch.Tensor = self.last(x)
        return prior


def betas(steps: int) -> list[float]:
    """Return the share of noise that each step adds, from little to nearly all."""
    low, high = math.sqrt(FIRST_BETA), math.sqrt(LAST_BETA)
    return [(low + (high - low) * i / max(steps - 1, 1)) ** 2 for i in range(steps)]


def kept_signal(steps: int) -> list[float]:
    """Return a_0 = 1 and a_1 .. a_steps, the remaining share of the signal's variance."""
    return list(accumulate((1 - beta for beta in betas(steps)), mul, initial=1.0))


def sample(
    predict: Predict, condition: torch.Tensor, noisy: torch.Tensor, steps: int
) -> torch.Tensor:
    """Return the prior after `steps` denoising steps from a noisy one [b, t, d]."""
    kept = kept_signal(steps)
    z = noisy
    for step, beta in reversed(list(enumerate(betas(steps), start=1))):
        found = predict(condition, step / steps, z)
        of_found = beta * math.sqrt(kept[step - 1]) / (1 - kept[step])
        of_noisy = (1 - kept[step - 1]) * math.sqrt(1 - beta) / (1 - kept[step])
        z = of_found * found + of_noisy * z
    return z
