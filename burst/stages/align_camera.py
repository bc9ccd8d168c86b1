"""Align the frames of a camera held in the hand with the sharpest of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from burst.lazy import torch
from burst.ops import filters
from burst.ops.alignment import camera, motion
from burst.ops.frames import gains, sharpness
from burst.ops.gathering import belief, sites
from burst.records import Burst, CameraFlow, given
from burst.settings import ConfigError, checked, setting

NEEDS = ("linear", "noise")
GIVES = ("camera",)
COLOUR = True
MOSAIC = True

TILE = 32  # px of the small grey frames, in which sharpness is measured
WHOLE = 0.99  # of the samples of a place have to be valid to tell brightness
SQUARE, SHOWN = 8, 0.9  # px of the grey frames; share of a square that both frames have to show
# Difference of brightness that is taken out: lamps flicker and shutters vary by more. Of bursts at
# rest up to .4 % is measured; by 2 % a fifth of what frames show at ISO 100 is not believed.
FLICKER = 0.01
SAME_EXPOSURE = 1.1  # ratio of gains, below which frames of a bracket are of one exposure


@checked
@dataclass(frozen=True)
class Config:
    """What frames are aligned with."""

    reference: Annotated[
        int,
        setting("frame that decides where things are; -1 for the sharpest", ge=-1),
    ] = -1


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with the motion of the camera, found on a grey image of all samples."""
    linear = given(burst.linear)
    view = sites.View.of(burst)
    grey = torch.stack([view.grey(k) for k in range(len(linear))])
    noise = view.grey_noise(given(burst.noise))
    sharp = sharpness.tile_sharpness(grey, noise, TILE).mean((1, 2))
    reference = _number(burst, config) if config.reference >= 0 else _sharpest(burst, sharp)
    found = camera.find_camera_flow(grey, reference, noise, 2)
    ratio = _brightness(burst, grey, found)
    if gains.differ(burst.gain) or bool(((ratio - 1).abs() > FLICKER).any()):
        linear = given(burst.linear) / ratio[:, None, None]
        gain = torch.ones(len(linear)) if burst.gain is None else burst.gain
        burst = replace(burst, linear=linear, gain=gain * ratio.to(gain))
        grey = grey / ratio[:, None, None]
        found = camera.find_camera_flow(grey, reference, noise, 2)
    turn, _ = motion.turn_and_scale(found.motion)
    report = burst.report.note(
        reference=reference if burst.kept is None else int(burst.kept[reference]),
        shift=found.motion[:, :, 2].tolist(),
        turn=turn.tolist(),
        sharpness=sharp.tolist(),
    )
    return replace(burst, camera=found, report=report)


def _brightness(burst: Burst, grey: torch.Tensor, flow: CameraFlow) -> torch.Tensor:
    """Return how bright grey frames [n, h, w] are against the reference at the same places [n]:
    `screen` compares frames before their motion is known."""
    flow = replace(flow, cells=torch.zeros_like(flow.cells))  # which brightness moves
    reference = grey[flow.reference]
    size = (2 * grey.shape[1], 2 * grey.shape[2])
    ratio = grey.new_ones(len(grey))
    for k, frame in enumerate(grey):
        counted = torch.ones_like(frame)
        if burst.valid is not None:
            every = burst.valid[k, : size[0], : size[1]].to(frame)
            counted = torch.nn.functional.avg_pool2d(every[None], 2)[0]
        (seen, good), shown = belief.on_reference(torch.stack([frame, counted]), flow, k)
        told = (shown & (good > WHOLE)).to(frame)
        # Means over squares, as fine detail is softer in a frame that was resampled.
        both = torch.stack([seen * told, reference * told, told])
        seen, own, share = filters.square_means(both, SQUARE)
        seen, own = seen[share > SHOWN], own[share > SHOWN]
        if k != flow.reference and len(own):
            bright = own >= own.median()  # of dark places the ratio is noise
            ratio[k] = (seen[bright] / own[bright]).median()
    return ratio


def _sharpest(burst: Burst, sharp: torch.Tensor) -> int:
    """Return the place of the sharpest frame; of a bracket among those of the exposure by which the
    others are measured."""
    if gains.differ(burst.gain):
        off = given(burst.gain).to(sharp).log().abs()
        sharp = torch.where(off.exp() <= SAME_EXPOSURE * off.min().exp(), sharp, -1.0)
    return int(sharp.argmax())


def _number(burst: Burst, config: Config) -> int:
    kept = range(burst.stack.count) if burst.kept is None else burst.kept.tolist()
    if config.reference not in kept:
        raise ConfigError(
            f"align_camera.reference: expected the number of a used frame, one of"
            f" {', '.join(str(k) for k in kept)}, found {config.reference}."
        )
    return list(kept).index(config.reference)
