"""The restorer: evidence in, the correction of the classical result out, steered by a prior."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from burst.models.cpen import Cpen
from burst.models.diffusion import Denoiser, sample
from burst.models.dirformer import Dirformer
from burst.models.spec import RestorerSpec

Source = Literal["truth", "encoder", "diffusion"]


class Restorer(nn.Module):
    """Teacher and student in one class: `prior` makes tokens, `forward` restores with them.

    Evidence is [b, e, h, w] of any height and width, scalars are [b, s], tokens [b, t, d]. The
    scalars reach the image through the prior alone.
    """

    def __init__(self, spec: RestorerSpec) -> None:
        super().__init__()
        self.spec = spec
        self.backbone = Dirformer(spec)
        if spec.teacher:
            self.truth_encoder = Cpen(spec, spec.evidence + spec.channels)
        elif spec.prior != "none":
            self.encoder = Cpen(spec, spec.evidence)
            self.denoiser = Denoiser(spec.prior_width)

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where this restorer can take a prior from."""
        if self.spec.prior == "none":
            return ()
        return ("truth",) if self.spec.teacher else ("encoder", "diffusion")

    def prior(
        self,
        evidence: torch.Tensor,
        scalars: torch.Tensor,
        source: Source,
        truth: torch.Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> torch.Tensor | None:
        """Return the prior tokens [b, t, d]; None for a network without a prior.

        A teacher needs the truth [b, channels, h, w]. Diffusion starts from the generator's noise;
        without a generator from the mean of all noise, zero.
        """
        if self.spec.prior == "none":
            return None
        if source not in self.sources:
            raise ValueError(f"prior: expected one of {self.sources}, found '{source}'.")
        if source == "truth":
            if truth is None:
                raise ValueError("prior: expected the truth for source 'truth', found none.")
            tokens: torch.Tensor = self.truth_encoder(torch.cat([evidence, truth], 1), scalars)
            return tokens
        condition: torch.Tensor = self.encoder(evidence, scalars)
        if source == "encoder":
            return condition
        noisy = torch.zeros_like(condition)
        if generator is not None:
            noisy = torch.randn(condition.shape, generator=generator, device=generator.device).to(
                condition
            )
        return sample(self.denoiser, condition, noisy, self.spec.diffusion_steps)

    def forward(
        self, evidence: torch.Tensor, scalars: torch.Tensor, tokens: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the residual [b, channels, h, w]; without tokens nothing is modulated.

        The scalars are part of every call and act through the tokens that were made with them.
        """
        h, w = evidence.shape[-2:]
        margin = (0, -w % self.spec.multiple, 0, -h % self.spec.multiple)
        padded = functional.pad(evidence, margin, mode="replicate")
        residual: torch.Tensor = self.backbone(padded, tokens)
        return residual[..., :h, :w]

    def predict(
        self,
        evidence: torch.Tensor,
        scalars: torch.Tensor,
        source: Source | None,
        ensemble: bool = False,
    ) -> torch.Tensor:
        """Return the residual [b, channels, h, w] with a prior from `source`, or without a prior.

        An ensemble is the mean over the 8 ways of turning and mirroring an image.
        """
        results = []
        for turn in range(4) if ensemble else (0,):
            for mirror in ((), (-1,)) if ensemble else ((),):
                seen = torch.rot90(evidence, turn, (-2, -1)).flip(mirror)
                tokens = None if source is None else self.prior(seen, scalars, source)
                residual = self(seen, scalars, tokens).flip(mirror)
                results.append(torch.rot90(residual, -turn, (-2, -1)))
        return torch.stack(results).mean(0)
