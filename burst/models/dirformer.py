"""A U-shaped network of modulated blocks at half resolution (DIRformer of DiffIR, 2303.09472)."""

from __future__ import annotations

import torch
from torch import nn

from burst.models import layers
from burst.models.spec import STEM, RestorerSpec

# Natural logarithm of the deviation before any training: of a stack of low noise, encoded.
FIRST_DEVIATION = -4.0


class Dirformer(nn.Module):
    """Evidence [b, e, h, w] and prior tokens in, a residual [b, c, h, w] out, zero at first. Height
    and width are multiples of `spec.multiple`.

    With `spec.deviation` a second head reads the same features: behind the residual comes the
    natural logarithm of the standard deviation of the error that is left, [b, c + 1, h, w].
    """

    def __init__(self, spec: RestorerSpec) -> None:
        super().__init__()
        widths = [spec.width * 2**i for i in range(len(spec.depths))]
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(STEM), nn.Conv2d(spec.evidence * STEM**2, spec.width, 3, padding=1)
        )
        self.encoders = nn.ModuleList(_blocks_at_scale(spec, i) for i in range(len(widths) - 1))
        self.downs = nn.ModuleList(nn.Conv2d(w, 2 * w, 2, stride=2) for w in widths[:-1])
        self.bottom = _blocks_at_scale(spec, len(widths) - 1)
        self.ups = nn.ModuleList(layers.up(width) for width in reversed(widths[1:]))
        self.decoders = nn.ModuleList(
            _blocks_at_scale(spec, i) for i in reversed(range(len(widths) - 1))
        )
        last = nn.Conv2d(spec.width, spec.channels * STEM**2, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.head = nn.Sequential(last, nn.PixelShuffle(STEM))
        if spec.deviation:
            self.deviation = _deviation_head(spec.width)
        self.says_deviation = spec.deviation

    def forward(self, evidence: torch.Tensor, tokens: torch.Tensor | None) -> torch.Tensor:
        """Return the residual, and the deviation if there is one, for evidence and tokens [b, t, d]
        or None."""
        x = self.stem(evidence).contiguous(memory_format=torch.channels_last)
        skips = []
        for scale, down in zip(self.encoders, self.downs, strict=True):
            x = _apply(scale, x, tokens)
            skips.append(x)
            x = down(x)
        x = _apply(self.bottom, x, tokens)
        for up, scale in zip(self.ups, self.decoders, strict=True):
            x = _apply(scale, up(x) + skips.pop(), tokens)
        residual: torch.Tensor = self.head(x)
        return torch.cat([residual, self.deviation(x)], 1) if self.says_deviation else residual


def _deviation_head(width: int) -> nn.Sequential:
    last = nn.Conv2d(width, STEM**2, 3, padding=1)
    nn.init.zeros_(last.weight)
    nn.init.constant_(last.bias, FIRST_DEVIATION)  # type: ignore[arg-type]
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1), nn.GELU(), last, nn.PixelShuffle(STEM)
    )


def _blocks_at_scale(spec: RestorerSpec, scale: int) -> nn.ModuleList:
    """Return the blocks of one scale of the U-net; 0 is the finest."""
    width, prior_width = spec.width * 2**scale, 0 if spec.prior == "none" else spec.prior_width
    if spec.blocks == "attention":
        return nn.ModuleList(
            layers.AttentionBlock(width, prior_width, spec.head_width)
            for _ in range(spec.depths[scale])
        )
    window = layers.WINDOW // (STEM * 2**scale)
    return nn.ModuleList(
        layers.NafBlock(width, prior_width, max(1, window)) for _ in range(spec.depths[scale])
    )


def _apply(blocks: nn.Module, x: torch.Tensor, tokens: torch.Tensor | None) -> torch.Tensor:
    assert isinstance(blocks, nn.ModuleList)
    for block in blocks:
        x = block(x, tokens)
    return x
