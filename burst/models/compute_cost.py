"""Count the computations of a network without running it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch.utils.flop_counter import FlopCounterMode

from burst.models.restorer import Restorer
from burst.models.spec import RestorerSpec


@dataclass(frozen=True)
class ComputeCost:
    """Weights, and multiply-accumulates (MAC) for one image: of the restorer, and of the prior by
    its most expensive source."""

    weights: int
    restorer: int
    prior: int


def compute_cost(spec: RestorerSpec, height: int, width: int) -> ComputeCost:
    """Return the cost of a restorer of a spec for one image of height x width px."""
    # Tensors on this device have shapes but no values.
    with torch.device("meta"):
        model = Restorer(spec)
        evidence = torch.empty(1, spec.evidence, height, width)
        truth = torch.empty(1, spec.channels, height, width)
        scalars = torch.empty(1, spec.scalars)
        tokens = None if spec.prior == "none" else torch.empty(1, spec.tokens, spec.prior_width)
        priors = [partial(model.prior, evidence, scalars, s, truth) for s in model.sources]
        return ComputeCost(
            sum(weight.numel() for weight in model.parameters()),
            _macs(partial(model, evidence, scalars, tokens)),
            max((_macs(prior) for prior in priors), default=0),
        )


def _macs(work: Callable[[], object]) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops()) // 2
