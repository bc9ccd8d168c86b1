"""The inputs of a network for photographs by hand, all three colours at once, and its image.

Planes are encoded as those of a stack (`prepare`), of white-balanced colours, in which channels are
alike. How strong the noise is at each place, an example of it tells.
"""

from __future__ import annotations

import torch

from burst.network.inputs import Evidence, decode, encode, scale_of, slope
from burst.network.preparation import COLOURS, HANDHELD_EVIDENCE, Preparation
from burst.ops.filters import box_mean
from burst.records import MID_GREY, Burst, Level, Sensor, given

AROUND = 15  # px of a side, over which the energy of the noise is averaged
COARSE = 3  # px of a side, over whose mean noise counts as coarse
LARGEST_NOISE = 0.5
# Encoded: with so much noise half of a correction counts. Of 15 frames at ISO 100 of six
# photographs all of it lost up to .4 dB, with .0025 up to .26, with this .02; noisy ones keep all.
QUIET = 0.004


def prepare_handheld(
    merged: torch.Tensor,
    restored: torch.Tensor,
    noise: torch.Tensor,
    sensor: Sensor,
    preparation: Preparation,
) -> Evidence:
    """Return the evidence of a merged image [3, h, w] with an example of its noise [3, h, w], and
    of what `denoise` made of it, [3, h, w], which is the base [3, h, w] of the correction."""
    gain = gain_of(sensor, merged)
    merged, restored = merged * gain, restored * gain
    scale = scale_of(merged)
    example = noise * gain * slope(restored.clamp(min=0), scale)
    base = encode(restored, scale)
    coarse = box_mean(example.mean(0, keepdim=True), COARSE)
    energy = box_mean(torch.cat([example, coarse]).square(), AROUND)
    noises = energy.sqrt_().clamp_(max=LARGEST_NOISE)
    known = dict(zip(HANDHELD_EVIDENCE, (*encode(merged, scale), *base, *noises), strict=True))
    planes = torch.stack([known[name] for name in preparation.evidence])
    return Evidence(planes, merged.new_zeros(0), base, scale)


def restore_handheld(output: torch.Tensor, evidence: Evidence, sensor: Sensor) -> torch.Tensor:
    """Return the linear image [3, h, w] of an encoded one."""
    return decode(output, evidence.scale) / gain_of(sensor, output)


def share_of(evidence: Evidence, preparation: Preparation) -> torch.Tensor:
    """Return the share [h, w] of a correction that counts, by the noise: where there is little, a
    network takes detail for noise."""
    names = [f"noise_{colour}" for colour in COLOURS]
    told = [preparation.evidence.index(name) for name in names if name in preparation.evidence]
    if not told:
        return torch.ones_like(evidence.base[0])
    energy = evidence.planes[told].square().mean(0)
    return energy / (energy + QUIET**2)


def gain_of(sensor: Sensor, like: torch.Tensor) -> torch.Tensor:
    """Return the white balance [3, 1, 1] of a sensor; [1, 1, 1] for an image of one channel."""
    balance = sensor.white_balance if len(like) == len(COLOURS) else (1.0,)
    return torch.tensor(balance).to(like)[:, None, None]


def level_of(burst: Burst) -> Level:
    """Return the level of a burst: the noise of a frame, and the motion of the camera (px rms)."""
    shift = given(burst.camera).motion[:, :, 2]
    return Level(given(burst.noise).std(MID_GREY), float(shift.square().mean().sqrt()))
