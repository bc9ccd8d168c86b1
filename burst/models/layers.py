"""The blocks that the restorer is made of, each modulated by the prior.

Axes: b batch, c channels, h rows, w columns, t prior vectors ("tokens"), d their length.
"""

from __future__ import annotations

import math

import torch
from einops import rearrange
from torch import nn
from torch.nn import functional

LAYER_SCALE = 0.1  # chosen by hand
# Statistics are pooled over windows of this size (px of the image), so that a network trained on
# small patches gets the same ones in a large image.
WINDOW = 48


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each pixel, [b, c, h, w]."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise x [b, c, h, w]; channels-last memory is not copied."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class PixelwiseLinear(nn.Linear):
    """A linear map of the channels of each pixel: a 1 x 1 convolution."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x [b, c, h, w] to other channels; channels-last memory is not copied."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class Branch(PixelwiseLinear):
    """The end of a residual branch: a linear map whose outputs have learned factors, small at
    first. The factors are multiplied into the weights, which are fewer than the pixels."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__(width, channels)
        self.factor = nn.Parameter(torch.full((channels,), LAYER_SCALE))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x [b, c, h, w] to the residual that is added to the features."""
        weight, bias = self.factor[:, None] * self.weight, self.factor * self.bias
        return functional.linear(x.movedim(1, -1), weight, bias).movedim(-1, 1)


class Modulation(nn.Module):
    """x * (1 + scale) + shift, both linear in the prior (FiLM, arXiv 1709.07871); 0 at first. One
    token modulates all pixels alike. A square of tokens becomes a map, interpolated between the
    centres of its cells, since blur may vary over the field. A prior width of 0 means no prior."""

    def __init__(self, channels: int, prior_width: int) -> None:
        super().__init__()
        self.linear = None
        if prior_width:
            self.linear = nn.Linear(prior_width, 2 * channels, bias=False)
            nn.init.zeros_(self.linear.weight)

    def forward(self, x: torch.Tensor, tokens: torch.Tensor | None) -> torch.Tensor:
        """Modulate x [b, c, h, w] by tokens [b, t, d]; without tokens x is returned."""
        if tokens is None or self.linear is None:
            return x
        side = math.isqrt(tokens.shape[1])
        maps = rearrange(self.linear(tokens), "b (y x) c -> b c y x", y=side)
        scale, shift = maps.chunk(2, dim=1)
        scale = 1 + scale
        if side > 1:
            scale, shift = (_resize(part, (x.shape[-2], x.shape[-1])) for part in (scale, shift))
        return torch.addcmul(shift, x, scale)


class WindowAttention(nn.Module):
    """Weights for each channel from the mean of all channels in a window around the pixel. The
    simplified channel attention of NAFNet (arXiv 2204.04676), over windows instead of the whole
    image, as in test-time local converters (arXiv 2112.04491)."""

    def __init__(self, channels: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.mix = PixelwiseLinear(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Weight x [b, c, h, w]."""
        h, w = x.shape[-2:]
        tall, wide = min(self.window, h), min(self.window, w)
        means = self.mix(functional.avg_pool2d(x, (tall, wide), ceil_mode=True))
        # The last windows extend over the edge; each mean must stay at the centre of its window.
        whole = (means.shape[-2] * tall, means.shape[-1] * wide)
        return x * _resize(means, whole)[..., :h, :w]


class NafBlock(nn.Module):
    """Convolutions and gates without an activation function (NAFNet, arXiv 2204.04676)."""

    def __init__(self, channels: int, prior_width: int, window: int) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = ChannelNorm(channels), ChannelNorm(channels)
        self.modulation_1 = Modulation(channels, prior_width)
        self.modulation_2 = Modulation(channels, prior_width)
        self.expand_1, self.expand_2 = (PixelwiseLinear(channels, 2 * channels) for _ in range(2))
        self.depthwise = nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels)
        self.attention = WindowAttention(channels, window)
        self.branch_1, self.branch_2 = (Branch(channels, channels) for _ in range(2))

    def forward(self, x: torch.Tensor, tokens: torch.Tensor | None) -> torch.Tensor:
        """Return x [b, c, h, w] refined; tokens [b, t, d] are the prior."""
        y = self.modulation_1(self.norm_1(x), tokens)
        x = x + self.branch_1(self.attention(_gate(self.depthwise(self.expand_1(y)))))
        y = self.modulation_2(self.norm_2(x), tokens)
        refined: torch.Tensor = x + self.branch_2(_gate(self.expand_2(y)))
        return refined


class AttentionBlock(nn.Module):
    """Attention among channels and a gated depthwise feed-forward (Restormer, arXiv 2111.09881).
    Both are modulated by the prior, as in DiffIR (arXiv 2303.09472)."""

    def __init__(self, channels: int, prior_width: int, head_width: int) -> None:
        super().__init__()
        self.heads = max(1, channels // head_width)
        self.norm_1, self.norm_2 = ChannelNorm(channels), ChannelNorm(channels)
        self.modulation_1 = Modulation(channels, prior_width)
        self.modulation_2 = Modulation(channels, prior_width)
        self.query_key_value = _conv_depthwise(channels, 3 * channels)
        self.temperature = nn.Parameter(torch.ones(self.heads, 1, 1))
        self.branch_1 = Branch(channels, channels)
        self.expand_2 = _conv_depthwise(channels, 4 * channels)
        self.branch_2 = Branch(2 * channels, channels)

    def forward(self, x: torch.Tensor, tokens: torch.Tensor | None) -> torch.Tensor:
        """Return x [b, c, h, w] refined; tokens [b, t, d] are the prior."""
        x = x + self.branch_1(self._attend(self.modulation_1(self.norm_1(x), tokens)))
        passing, gate = self.expand_2(self.modulation_2(self.norm_2(x), tokens)).chunk(2, dim=1)
        refined: torch.Tensor = x + self.branch_2(functional.gelu(gate) * passing)
        return refined

    def _attend(self, x: torch.Tensor) -> torch.Tensor:
        query, key, value = rearrange(
            self.query_key_value(x), "b (part head c) h w -> part b head c (h w)",
            part=3, head=self.heads,
        )  # fmt: skip
        # Normalised over the pixels, so that the size of the image does not matter.
        query, key = functional.normalize(query, dim=-1), functional.normalize(key, dim=-1)
        similarity = torch.einsum("b n c p, b n k p -> b n c k", query, key) * self.temperature
        mixed = torch.einsum("b n c k, b n k p -> b n c p", similarity.softmax(dim=-1), value)
        return rearrange(mixed, "b head c (h w) -> b (head c) h w", h=x.shape[-2])


def up(channels: int) -> nn.Module:
    """Double the resolution: c channels become c / 2."""
    return nn.Sequential(PixelwiseLinear(channels, 2 * channels, bias=False), nn.PixelShuffle(2))


def _conv_depthwise(channels: int, wider: int) -> nn.Module:
    """Mix channels into more of them, then each with its own neighbours."""
    return nn.Sequential(
        PixelwiseLinear(channels, wider, bias=False),
        nn.Conv2d(wider, wider, 3, padding=1, groups=wider, bias=False),
    )


def _gate(x: torch.Tensor) -> torch.Tensor:
    """Multiply one half of the channels by the other."""
    first, second = x.chunk(2, dim=1)
    return first * second


def _resize(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Interpolate maps [b, c, gy, gx] to a height and width."""
    return functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)
