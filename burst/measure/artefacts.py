"""What a result shows that its frames do not: ringing, a lattice, clipped values.

They need no truth: a result is compared with the merged image that it was made of.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional

from burst.ops.alignment.registration import gradient, smooth
from burst.ops.color import linear_to_display

# All of these are chosen by hand, on pictures that ring and on pictures that do not.
SMOOTHING = 1.0  # px, of the merged image before edges are looked for
EDGES = 0.98  # quantile of the gradient above which an edge is strong
FLAT = 0.6  # quantile of the gradient below which nothing is to be seen
BESIDE, FAR = (4, 10), 16  # px from a strong edge: where it rings, and where it does not
FEWEST = 50  # px
BORDER = 8  # px
NEIGHBOURHOOD = 9  # frequencies; the level that a peak stands above
LOWEST = 0.05  # cycles per pixel; below it a scene has peaks of its own


@dataclass(frozen=True)
class Artefacts:
    """Artefacts of a result.

    ringing    rms beside strong edges, where the merged image is flat, beyond what it is far from
               them, in percent of the edges' contrast
    lattice    dB by which a peak of the spectrum grew more than its surroundings
    clipped    percent of the pixels at or outside black and white, beyond those of the merged image
    sharpness  rms gradient over that of the merged image
    """

    ringing: float
    lattice: float
    clipped: float
    sharpness: float


def find_artefacts(image: torch.Tensor, merged: torch.Tensor) -> Artefacts:
    """Return the artefacts of an image [h, w] made of a merged one [h, w], both linear."""
    more = _clipped(image) - _clipped(merged)
    image, merged = (linear_to_display(x.float()) for x in (image, merged))
    inside = (slice(BORDER, -BORDER),) * 2
    steeper = _steepness(image)[inside].square().mean() / _steepness(merged)[inside].square().mean()
    return Artefacts(
        _ringing(image, merged),
        _lattice(image[inside], merged[inside]),
        100 * max(more, 0.0),
        float(steeper.sqrt()),
    )


def _clipped(image: torch.Tensor) -> float:
    return float(((image <= 0) | (image >= 1)).float().mean())


def _steepness(image: torch.Tensor) -> torch.Tensor:
    return torch.hypot(*gradient(image))


def _ringing(image: torch.Tensor, merged: torch.Tensor) -> float:
    """Return the ringing in percent; 0 where there are too few edges or flat parts to tell."""
    steep = _steepness(smooth(merged[None, None], SMOOTHING)[0, 0])
    strong = (steep > steep.quantile(EDGES)).to(merged)
    near = _grown(strong, BESIDE[1]) - _grown(strong, BESIDE[0] - 1)
    far = 1 - _grown(strong, FAR)
    flat = (steep < steep.quantile(FLAT)).to(merged)
    rim = torch.zeros_like(flat)
    rim[BORDER:-BORDER, BORDER:-BORDER] = 1
    beside, away = (where * flat * rim > 0 for where in (near, far))
    if int(beside.sum()) < FEWEST:
        return 0.0
    change = image - merged
    power = float(change[beside].square().mean())
    if int(away.sum()) >= FEWEST:
        power -= float(change[away].square().mean())
    low, high = (
        -functional.max_pool2d(-merged[None, None], 7, 1, 3)[0, 0],
        functional.max_pool2d(merged[None, None], 7, 1, 3)[0, 0],
    )
    contrast = float((high - low)[strong > 0].median())
    return 100 * math.sqrt(max(power, 0.0)) / max(contrast, 1e-6)


def _grown(mask: torch.Tensor, reach: int) -> torch.Tensor:
    """Return a mask [h, w] of 0 and 1, grown by `reach` px in all directions."""
    grown: torch.Tensor = functional.max_pool2d(mask[None, None], 2 * reach + 1, 1, reach)[0, 0]
    return grown


def _lattice(image: torch.Tensor, merged: torch.Tensor) -> float:
    """Return by how many dB one peak of the spectrum rose above its surroundings."""
    h, w = image.shape
    window = torch.outer(torch.hann_window(h), torch.hann_window(w)).to(image)
    height = [_peaks((x - x.mean()) * window) for x in (image, merged)]
    frequency = torch.hypot(torch.fft.fftfreq(h)[:, None], torch.fft.rfftfreq(w)[None]).to(image)
    # A gap in the merged spectrum that is filled is no peak.
    rise = (height[0] - height[1].clamp(min=0))[frequency > LOWEST]
    return max(float(rise.max()), 0.0)


def _peaks(windowed: torch.Tensor) -> torch.Tensor:
    """Return the power spectrum in dB above the mean of its surroundings."""
    power = torch.fft.rfft2(windowed).abs().square() + 1e-12
    side = NEIGHBOURHOOD // 2
    padded = functional.pad(power[None, None], (side,) * 4, mode="reflect")
    around: torch.Tensor = functional.avg_pool2d(padded, NEIGHBOURHOOD, 1)[0, 0]
    height: torch.Tensor = 10 * (power / around).log10()
    return height
