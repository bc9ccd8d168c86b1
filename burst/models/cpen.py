"""CPEN, the encoder that compresses measurements into a prior (DiffIR, arXiv 2303.09472)."""

from __future__ import annotations

import torch
from einops import rearrange, repeat
from torch import nn
from torch.nn import functional

from burst.models.spec import GRID, RestorerSpec

SHRINK = 4  # an encoder works at a quarter of the image's resolution


class Cpen(nn.Module):
    """Planes [b, c, h, w] and scalars [b, s] in, prior tokens [b, t, d] out. A teacher's planes are
    the evidence and the truth, a student's the evidence alone. The scalars are measured on the
    whole stack and join after pooling, so that the prior of a patch includes them."""

    def __init__(self, spec: RestorerSpec, planes: int) -> None:
        super().__init__()
        width = spec.prior_width
        self.grid = GRID if spec.prior == "grid" else 1
        self.stem = nn.Conv2d(planes * SHRINK**2, width // 2 or 1, 3, padding=1)
        self.down = nn.Conv2d(width // 2 or 1, width, 3, stride=2, padding=1)
        self.conv_1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv_2 = nn.Conv2d(width, width, 3, padding=1)
        self.join = nn.Linear(width + spec.scalars, width)
        self.out = nn.Linear(width, width)

    def forward(self, planes: torch.Tensor, scalars: torch.Tensor) -> torch.Tensor:
        """Return the prior [b, t, d]; any height and width."""
        down, right = (-size % SHRINK for size in planes.shape[-2:])
        padded = functional.pad(planes, (0, right, 0, down), mode="replicate")
        x = _activate(self.stem(functional.pixel_unshuffle(padded, SHRINK)))
        x = _activate(self.down(x))
        x = x + self.conv_2(_activate(self.conv_1(x)))
        pooled = rearrange(functional.adaptive_avg_pool2d(x, self.grid), "b c y x -> b (y x) c")
        known = repeat(scalars, "b s -> b t s", t=pooled.shape[1])
        tokens: torch.Tensor = self.out(_activate(self.join(torch.cat([pooled, known], dim=-1))))
        return tokens


def _activate(x: torch.Tensor) -> torch.Tensor:
    return functional.leaky_relu(x, 0.1)
