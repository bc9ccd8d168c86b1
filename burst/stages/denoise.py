"""Take out the noise that merging leaves, by the noise of the frames themselves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from burst.lazy import torch
from burst.ops.gathering import shrink
from burst.records import Burst, given
from burst.settings import checked, setting

NEEDS = ("image", "gathered")
GIVES = ("image",)
COLOUR = True
MOSAIC = True


@checked
@dataclass(frozen=True)
class Config:
    """How much is taken out."""

    strength: Annotated[
        float,
        setting("0 leaves all noise, 1 makes the smallest error", ge=0, le=4),
    ] = 0.7


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with a less noisy image; detail that stands out of the noise stays."""
    image, noise = given(burst.image), given(burst.gathered).noise
    planes, example = (part if part.ndim == 3 else part[None] for part in (image, noise))
    balance = burst.stack.sensor.white_balance if len(planes) == 3 else (1.0,)
    gain = torch.tensor(balance).to(image)[:, None, None]
    clean = planes
    if config.strength:
        clean = shrink.shrink(planes * gain, example * gain, config.strength) / gain
    report = burst.report.note(
        noise_before=float(noise.std()), taken_out=float((clean - planes).square().mean().sqrt())
    )
    return replace(burst, image=clean.reshape(image.shape), report=report)
