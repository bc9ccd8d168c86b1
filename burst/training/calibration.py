"""Deviations that a network says of its own image: trained alone, and calibrated at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from burst.data.samples.turbulence import SampleKey
from burst.models.restorer import Restorer
from burst.training.batches import Pool
from burst.training.losses import prior_of
from burst.training.recipe import BORDER

# Errors have longer tails than a Gaussian, so that its likelihood alone gives intervals of another
# share than they claim. 90 % is what users of intervals ask for most.
SHARE, REACH = 0.9, 1.6449  # of a Gaussian, within so many standard deviations


def train_deviation_alone(model: Restorer) -> None:
    """Freeze all weights but those of the deviation: the image stays what it is."""
    for name, weights in model.named_parameters():
        weights.requires_grad_(name.startswith("backbone.deviation."))


@torch.no_grad()
def calibrate(model: Restorer, pool: Pool, keys: Sequence[SampleKey]) -> float:
    """Scale the deviations so that intervals of 90 % hold 90 % of the errors of samples, each
    sample counting alike; return the factor."""
    factors = []
    for key in keys:
        batch = pool.whole(key)
        for source in model.sources or (None,):
            said = model(batch.evidence, batch.scalars, prior_of(model, batch, source, None))[0]
            ratio = (batch.base[0, 0] + said[0] - batch.truth[0, 0]).abs() / said[1].exp()
            inside = ratio[BORDER:-BORDER, BORDER:-BORDER]
            factors.append(float(inside.flatten().quantile(SHARE)) / REACH)
    factor = math.exp(sum(map(math.log, factors)) / len(factors))
    last = model.backbone.deviation[2]
    assert isinstance(last, nn.Conv2d)
    assert last.bias is not None
    last.bias += math.log(factor)
    return factor
