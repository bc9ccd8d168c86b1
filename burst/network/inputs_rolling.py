"""The inputs of a network for images of single instants, and the image made of its output.

Every colour of every instant is processed by itself: a network takes one channel. Planes are
encoded as those of a stack (`prepare`); display-encoded sources are made linear first, so that the
input does not depend on how the source was stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from einops import rearrange

from burst.network.inputs import Evidence, decode, encode, scale_of
from burst.network.preparation import FRAMES, SHUTTER_STANDARD, Preparation, standardise
from burst.ops.color import display_to_linear, linear_to_display
from burst.ops.rolling.unroll import time_weight
from burst.ops.warp import warp
from burst.records import MID_GREY, Burst, Level, Sensor, given

LARGEST_BLUR = 32.0  # px, encoded as 1
LARGEST_NOISE = 0.5
SIDE = 320  # px; of the samples that `rolling` learns from


def prepare_shutter(burst: Burst, preparation: Preparation) -> Iterator[Evidence]:
    """Yield the evidence of every colour of every instant of a burst, all colours of an instant in
    turn; one at a time, because a video has many."""
    image = given(burst.image)
    images = image.reshape(-1, *image.shape[-2:])
    colours = given(burst.views).images.shape[2]
    light = _to_light(burst.stack.sensor)
    scale = scale_of(light(images))
    scalars = measured_scalars(burst)
    known = torch.tensor([scalars[name] for name in preparation.scalars]).to(images)
    for index, one in enumerate(images):
        planes = _planes(burst, one, index // colours, index % colours, scale)
        chosen = torch.stack([planes[name].to(images) for name in preparation.evidence])
        yield Evidence(chosen, known, planes["blended"], scale)


def restore_shutter(output: torch.Tensor, evidence: Evidence, sensor: Sensor) -> torch.Tensor:
    """Return an encoded image [h, w] in the units of the stack; of a display-encoded source within
    0..1."""
    linear = decode(output, evidence.scale)
    return linear_to_display(linear) if sensor.transfer == "srgb" else linear


def encode_shutter(image: torch.Tensor, evidence: Evidence, sensor: Sensor) -> torch.Tensor:
    """Invert `restore_shutter`."""
    return encode(_to_light(sensor)(image), evidence.scale)


def level_of(burst: Burst) -> Level:
    """Return the level of a burst: the noise of a frame, and the rms motion between frames that it
    would have if its shorter side were `SIDE` long. How much is hidden, and wrong, goes by that."""
    share = SIDE / min(given(burst.image).shape[-2:])
    moved = given(burst.unrolled).displacement_rms * share
    return Level(given(burst.noise).std(MID_GREY), moved)


def measured_scalars(burst: Burst) -> dict[str, float]:
    """Return all scalars, standardised to the order of 1; what was not measured is 0."""
    level = level_of(burst)
    exposure = float(given(burst.views).exposure.mean())
    found = {
        "readout_ratio": given(burst.unrolled).readout_ratio,
        "exposure": exposure or None,
        "displacement": given(burst.unrolled).displacement_rms or None,
        "relative_displacement": level.displacement or None,
        "noise": level.noise,
        "frames": burst.stack.count,
    }
    return {name: standardise(found[name], *SHUTTER_STANDARD[name]) for name in SHUTTER_STANDARD}


def _to_light(sensor: Sensor) -> Callable[[torch.Tensor], torch.Tensor]:
    return display_to_linear if sensor.transfer == "srgb" else lambda image: image


def _planes(
    burst: Burst, image: torch.Tensor, instant: int, colour: int, scale: float
) -> dict[str, torch.Tensor]:
    """Return all planes [h, w] of one colour of one instant, whose image is [h, w]."""
    views, light = given(burst.views), _to_light(burst.stack.sensor)
    base = encode(light(image), scale)
    planes = {"blended": base}
    for k, name in enumerate(FRAMES):
        trust = _of_view(views.trust, instant, k, image)
        planes[name] = base
        if k < views.images.shape[1]:
            alone = encode(light(views.images[instant, k, colour].to(image)), scale)
            # Beyond its edge a frame shows its mirror image, which networks would mix in.
            planes[name] = torch.where(trust > 0, alone, base)
        planes[f"{name}_later"] = _of_view(views.later, instant, k, image)
        planes[f"{name}_trust"] = trust
    planes.update(_blur(burst, base, instant))
    planes["noise"] = _noise(burst, image, instant, scale)
    return planes


def _of_view(values: torch.Tensor, instant: int, k: int, like: torch.Tensor) -> torch.Tensor:
    """Return the values of view k at one instant [h, w]; 0 where there is no such view."""
    return values[instant, k].to(like) if k < values.shape[1] else torch.zeros_like(like)


def _blur(burst: Burst, base: torch.Tensor, instant: int) -> dict[str, torch.Tensor]:
    """Return the image displaced by half of its motion blur in both directions, the length of the
    blur, and the exposure, each [h, w].

    Images, unlike vectors, may be turned and mirrored with all other planes.
    """
    views = given(burst.views)
    exposure = rearrange(views.exposure.to(base), "h -> h 1")
    whole = views.velocity[instant].to(base) * exposure
    half = whole[None] / 2
    return {
        "ahead": warp(base[None], half, mode="bilinear")[0],
        "behind": warp(base[None], -half, mode="bilinear")[0],
        "blur": (whole.norm(dim=0) / LARGEST_BLUR).clamp(max=1.0),
        "exposure": exposure.expand(base.shape),
    }


def _noise(burst: Burst, image: torch.Tensor, instant: int, scale: float) -> torch.Tensor:
    """Return the std [h, w] of the noise of an image, encoded."""
    views, sensor = given(burst.views), burst.stack.sensor
    gain = views.gain.to(image)[:, None]
    light = _to_light(sensor)
    weights = time_weight(views.later[instant].to(image))
    weights = weights * (views.trust[instant].to(image) + 1e-3)
    share = weights / weights.sum(0)
    recorded = light(image) * gain
    if sensor.transfer == "srgb":
        recorded = linear_to_display(recorded)
    variance = given(burst.noise).variance(recorded)
    std = (variance * share.square().sum(0)).sqrt()
    spread = [encode(light(recorded + side * std) / gain, scale) for side in (1, -1)]
    return ((spread[0] - spread[1]) / 2).clamp(max=LARGEST_NOISE)
