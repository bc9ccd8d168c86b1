"""What a network is to make small; images are encoded.

Errors count in units of the classical result's, so that a photograph, of which little is wrong,
counts as much as a page of text: what is asked for is a gain in dB, on every image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from burst.models.restorer import Restorer, Source
from burst.training.batches import Batch

EPSILON = 1e-3  # below this error the loss is quadratic


@dataclass(frozen=True)
class Weights:
    """Of the edges' error, and of a student's prior against its teacher's."""

    edges: float
    prior: float


class Objective(nn.Module):
    """A network with its loss, as one module: all gradients come from one forward pass."""

    def __init__(self, model: Restorer, guide: Restorer | None, weights: Weights) -> None:
        super().__init__()
        self.model, self.weights = model, weights
        # In a list, so that a guide is no part of what is trained.
        self.guides = [guide] if guide else []

    def forward(
        self, batch: Batch, source: Source | None, generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """Return the loss, "total", and its parts; the prior's statistics come along."""
        tokens = prior_of(self.model, batch, source, generator)
        output = batch.base + self.model(batch.evidence, batch.scalars, tokens)
        parts = {"image": charbonnier(output, batch.truth, batch.error)}
        total = parts["image"]
        if self.weights.edges:
            parts["edges"] = edge_error(output, batch.truth, batch.error)
            total = total + self.weights.edges * parts["edges"]
        if tokens is not None:
            parts.update(prior_mean=tokens.mean(), prior_std=tokens.std())
            for guide in self.guides:
                wanted = _taught(guide, batch)
                parts["prior"] = (tokens - wanted).abs().mean()
                total = total + self.weights.prior * parts["prior"]
        return {"total": total, **parts}


def prior_of(
    model: Restorer, batch: Batch, source: Source | None, generator: torch.Generator | None
) -> torch.Tensor | None:
    """Return the prior tokens [b, t, d] from a source; None for a network without a prior."""
    if source is None:
        return None
    truth = batch.truth if source == "truth" else None
    return model.prior(batch.evidence, batch.scalars, source, truth, generator)


def choose_source(sources: tuple[Source, ...], generator: torch.Generator) -> Source | None:
    """Draw where a batch's prior comes from, so that every source works afterwards."""
    if not sources:
        return None
    return sources[int(torch.randint(len(sources), (), generator=generator))]


def charbonnier(
    output: torch.Tensor, truth: torch.Tensor, unit: torch.Tensor | float = 1.0
) -> torch.Tensor:
    """Return the mean of sqrt(error^2 + epsilon^2), less its smallest value, epsilon.

    Images are [b, c, h, w]; unit, [b, 1, 1, 1] or a number, is the error that counts as 1.
    """
    error = (output - truth).float()
    return (((error.square() + EPSILON**2).sqrt() - EPSILON) / unit).mean()


def edge_error(output: torch.Tensor, truth: torch.Tensor, unit: torch.Tensor) -> torch.Tensor:
    """Return the mean error of the differences between neighbouring pixels, as `charbonnier`."""
    error = (output - truth).float() / unit
    return (error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()) / 2


@torch.no_grad()
def _taught(guide: Restorer, batch: Batch) -> torch.Tensor:
    tokens = guide.prior(batch.evidence, batch.scalars, "truth", batch.truth)
    assert tokens is not None
    return tokens


def as_numbers(parts: Mapping[str, torch.Tensor]) -> dict[str, float]:
    """Return the parts of a loss as plain numbers."""
    return {name: float(value.detach()) for name, value in parts.items()}
