"""What a network is to make small; images are encoded.

Errors count in units of the classical result's, so that a photograph, of which little is wrong,
counts as much as a page of text: what is asked for is a gain in dB, on every image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from burst.models.restorer import PriorSource, Restorer
from burst.training.batches import Batch
from burst.training.recipe import Loss

EPSILON = 1e-3  # below this error the absolute loss is quadratic
PEAKED = 2.0  # root mean square of an image's errors over their mean absolute, about


@dataclass(frozen=True)
class LossSettings:
    """How errors of the image count, and the weight of a student's prior against its teacher's."""

    loss: Loss
    prior: float


class Objective(nn.Module):
    """A network with its loss, as one module: all gradients come from one forward pass."""

    def __init__(self, model: Restorer, teacher: Restorer | None, settings: LossSettings) -> None:
        super().__init__()
        self.model, self.settings = model, settings
        # In a list, so that a teacher is no part of what is trained.
        self.teachers = [teacher] if teacher else []

    def forward(
        self, batch: Batch, source: PriorSource | None, noise: torch.Tensor | None
    ) -> dict[str, torch.Tensor]:
        """Return the loss, "total", and its parts; the prior's statistics come along."""
        tokens = prior_of(self.model, batch, source, noise)
        output = batch.base + self.model(batch.evidence, batch.scalars, tokens)
        error_of = {"absolute": charbonnier, "squared": squared}[self.settings.loss]
        parts = {"image": error_of(output, batch.truth, batch.error)}
        total = parts["image"]
        if tokens is not None:
            parts.update(prior_mean=tokens.mean(), prior_std=tokens.std())
            for teacher in self.teachers:
                wanted = _teacher_tokens(teacher, batch)
                parts["prior"] = (tokens - wanted).abs().mean()
                total = total + self.settings.prior * parts["prior"]
        return {"total": total, **parts}


def prior_of(
    model: Restorer, batch: Batch, source: PriorSource | None, noise: torch.Tensor | None
) -> torch.Tensor | None:
    """Return the prior tokens [b, t, d] from a source; None for a network without a prior."""
    if source is None:
        return None
    truth = batch.truth if source == "truth" else None
    return model.prior(batch.evidence, batch.scalars, source, truth, noise)


def draw_noise(
    model: Restorer, images: int, source: PriorSource | None, generator: torch.Generator
) -> torch.Tensor | None:
    """Return the noise [b, t, d] that the priors of so many images start from; None where they
    start from none."""
    if source != "diffusion":
        return None
    return torch.randn((images, model.spec.tokens, model.spec.prior_width), generator=generator)


def choose_source(
    sources: tuple[PriorSource, ...], generator: torch.Generator
) -> PriorSource | None:
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


def squared(output: torch.Tensor, truth: torch.Tensor, unit: torch.Tensor) -> torch.Tensor:
    """Return the mean squared error, as `charbonnier`.

    It asks for the mean of what may be true and not for the median, as PSNR does; the encoding is
    close to a display's, in which PSNR is taken.
    """
    return ((output - truth).float() / (PEAKED * unit)).square().mean()


@torch.no_grad()
def _teacher_tokens(teacher: Restorer, batch: Batch) -> torch.Tensor:
    tokens = teacher.prior(batch.evidence, batch.scalars, "truth", batch.truth)
    assert tokens is not None
    return tokens


def as_numbers(parts: Mapping[str, torch.Tensor]) -> dict[str, float]:
    """Return the parts of a loss as plain numbers."""
    return {name: float(value.detach()) for name, value in parts.items()}
