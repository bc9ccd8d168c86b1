"""Loss functions for training; images are encoded.

Errors are divided by that of the classical result, so that every image counts alike for the gain in
dB, whether its error is small, as in photographs, or large, as on a page of text.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from burst.models.restorer import PriorSource, Restorer
from burst.training.batches import Batch
from burst.training.recipe import Training

EPSILON = 1e-3  # below this error the absolute loss is quadratic; chosen by hand
FLOOR = 0.01  # of the classical result's squared error: 20 dB of gain count as all there is
PEAKED = 2.0  # typical ratio of rms error to mean absolute error of an image


class Objective(nn.Module):
    """A network with its loss, as one module: all gradients come from one forward pass."""

    def __init__(self, model: Restorer, teacher: Restorer | None, settings: Training) -> None:
        super().__init__()
        self.model, self.settings = model, settings
        # In a list, so that torch does not register the teacher for training.
        self.teachers = [teacher] if teacher else []

    def forward(
        self, batch: Batch, source: PriorSource | None, noise: torch.Tensor | None
    ) -> dict[str, torch.Tensor]:
        """Return the loss, "total", and its parts; the prior's statistics come along."""
        tokens = prior_of(self.model, batch, source, noise)
        said = self.model(batch.evidence, batch.scalars, tokens)
        output = batch.base + said[:, : self.model.spec.channels]
        if self.settings.loss == "likelihood":
            loss = likelihood(output - batch.truth, said[:, self.model.spec.channels :])
            return {"total": loss, "image": loss}
        of = {"absolute": charbonnier, "squared": squared, "decibels": decibels}
        error_of = of[self.settings.loss]
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
    """Draw the source of a batch's prior, so that all sources are trained."""
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

    Its minimum is the mean of the possible truths, as for PSNR, rather than the median; the
    encoding is close to that of displays, in which PSNR is measured.
    """
    return ((output - truth).float() / (PEAKED * unit)).square().mean()


def decibels(output: torch.Tensor, truth: torch.Tensor, unit: torch.Tensor) -> torch.Tensor:
    """Return the mean of the logarithms of the images' squared errors, as `charbonnier`.

    Every image counts by its PSNR, whereas few that are far off outweigh all others in `squared`.
    """
    each = ((output - truth).float() / (PEAKED * unit)).square().mean((1, 2, 3))
    return (each + FLOOR).log().mean()


def likelihood(error: torch.Tensor, log_deviation: torch.Tensor) -> torch.Tensor:
    """Return the mean negative logarithm of the Gaussian likelihood of errors [b, 1, h, w] with
    these deviations, less a constant."""
    log_deviation = log_deviation.float()
    return (log_deviation + 0.5 * (error.float() / log_deviation.exp()).square()).mean()


@torch.no_grad()
def _teacher_tokens(teacher: Restorer, batch: Batch) -> torch.Tensor:
    tokens = teacher.prior(batch.evidence, batch.scalars, "truth", batch.truth)
    assert tokens is not None
    return tokens


def as_numbers(parts: Mapping[str, torch.Tensor]) -> dict[str, float]:
    """Return the parts of a loss as plain numbers."""
    return {name: float(value.detach()) for name, value in parts.items()}
