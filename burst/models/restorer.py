"""The restorer: evidence in, a correction of the classical result out, modulated by a prior."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import torch
from einops import rearrange
from torch import nn
from torch.nn import functional

from burst.models.cpen import Cpen
from burst.models.diffusion import Denoiser, sample
from burst.models.dirformer import Dirformer
from burst.models.spec import RestorerSpec
from burst.models.tiles import in_tiles
from burst.progress import counted

MAX_PIXELS = 1 << 22  # of the images that a GPU restores together

PriorSource = Literal["truth", "encoder", "diffusion"]


class Restorer(nn.Module):
    """Teacher and student in one class: `prior` makes tokens, `forward` restores with them.
    Evidence is [b, e, h, w] of any height and width, scalars are [b, s], tokens [b, t, d]. The
    scalars affect the image only through the prior."""

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
    def sources(self) -> tuple[PriorSource, ...]:
        """The sources of a prior that this restorer has."""
        if self.spec.prior == "none":
            return ()
        return ("truth",) if self.spec.teacher else ("encoder", "diffusion")

    def prior(
        self,
        evidence: torch.Tensor,
        scalars: torch.Tensor,
        source: PriorSource,
        truth: torch.Tensor | None = None,
        noise: torch.Tensor | None = None,
    ) -> torch.Tensor | None:
        """Return the prior tokens [b, t, d]; None for a network without a prior. A teacher needs
        the truth [b, channels, h, w]. Diffusion starts from noise [b, t, d] of unit variance;
        without it from zero, the mean of the noise."""
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
        noisy = torch.zeros_like(condition) if noise is None else noise.to(condition)
        return sample(self.denoiser, condition, noisy, self.spec.diffusion_steps)

    def forward(
        self, evidence: torch.Tensor, scalars: torch.Tensor, tokens: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the residual [b, channels, h, w], and behind it the log deviation where the spec
        has one. Without tokens nothing is modulated. The scalars are not used here: they act
        through the tokens, which were made with them."""
        h, w = evidence.shape[-2:]
        margin = (0, -w % self.spec.multiple, 0, -h % self.spec.multiple)
        padded = functional.pad(evidence, margin, mode="replicate")
        residual: torch.Tensor = self.backbone(padded, tokens)
        return residual[..., :h, :w]

    def predict(
        self,
        evidence: torch.Tensor,
        scalars: torch.Tensor,
        source: PriorSource | None,
        ensemble: int = 1,
        tiled: bool = False,
    ) -> torch.Tensor:
        """Return what `forward` does, with a prior from `source`; None is without a prior. An
        ensemble is the mean over so many of the 8 rotations and reflections of the image, itself
        first. The prior is computed once, and its grid is rotated and reflected with the image.
        `tiled`: a large image goes through the network tile by tile, which takes less memory."""
        tokens = None if source is None else self.prior(evidence, scalars, source)
        # Half a turn keeps the shape, so that four images may be restored together.
        symmetries = [(turn, mirror) for turn in (0, 2, 1, 3) for mirror in (False, True)]
        # On a CPU this would not be faster, and a GPU needs the memory.
        pixels = 4 * evidence[:, 0].numel()
        together = 4 if evidence.is_cuda and pixels <= MAX_PIXELS else 1
        results = {}
        firsts = range(0, ensemble, together)
        for first in counted(firsts, "network: turned images"):
            chosen = symmetries[first : min(first + together, ensemble)]
            seen = torch.cat([_turned(evidence, *way) for way in chosen])
            prior = None
            if tokens is not None:
                prior = torch.cat([_turned_tokens(tokens, *way) for way in chosen])
            if tiled:
                made = in_tiles(lambda part, own: self(part, scalars, own), seen, prior)
            else:
                made = self(seen, scalars, prior)
            residuals = made.chunk(len(chosen))
            for (turn, mirror), residual in zip(chosen, residuals, strict=True):
                straight = residual.flip(-1) if mirror else residual
                results[turn, mirror] = _turned(straight, -turn, False)
        return torch.stack([results[way] for way in sorted(results)]).mean(0)


def add_blocks(
    weights: Mapping[str, torch.Tensor], deeper: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Return weights completed by the blocks of a deeper network, initialised to add nothing."""
    return {
        name: weights.get(name, torch.zeros_like(own) if name.endswith(".factor") else own)
        for name, own in deeper.items()
    }


def _turned(image: torch.Tensor, turn: int, mirror: bool) -> torch.Tensor:
    """Return an image [..., h, w] rotated by quarter turns and then mirrored left to right."""
    turned = torch.rot90(image, turn, (-2, -1))
    return turned.flip(-1) if mirror else turned


def _turned_tokens(tokens: torch.Tensor, turn: int, mirror: bool) -> torch.Tensor:
    """Return prior tokens [b, t, d], one or a square of them, for a turned image."""
    side = math.isqrt(tokens.shape[1])
    square = rearrange(tokens, "b (y x) d -> b d y x", y=side)
    return rearrange(_turned(square, turn, mirror), "b d y x -> b (y x) d")
