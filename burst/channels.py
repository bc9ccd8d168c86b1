"""The channels of a stack with colours, each a mono stack: one leads, and all follow it.

Motion and weights are found once, on all samples together. What a stage finds there holds for every
channel if it says `SHARED = True`; all other stages run on each channel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from burst.ops import bayer
from burst.pipeline import Pipeline, Step
from burst.records import Burst, Channel, Reference, Report, Stack, given

COLOURS = ("red", "green", "blue")


@dataclass(frozen=True)
class ChannelStack:
    """The stack of one channel, its name, and the place (dx, dy) px in the leading stack."""

    name: str
    stack: Stack
    place: tuple[float, float] = (0.0, 0.0)


def follow_one(stack: Stack, pipeline: Pipeline) -> bool:
    """Return whether the channels of a stack are restored one by one."""
    if stack.sensor.cfa != "mono":
        return not pipeline.takes_mosaics
    return stack.colour is not None and not pipeline.takes_colours


def leader(stack: Stack) -> Stack:
    """Return the mono stack that leads: the luminance, or all samples of a mosaic."""
    return replace(stack, colour=None) if stack.sensor.cfa == "mono" else bayer.grey(stack)


def leading_steps(pipeline: Pipeline) -> tuple[Step, ...]:
    """Return the steps up to the last that holds for all channels, which run on the leader."""
    shared = [is_shared(step) for step in pipeline.steps]
    return pipeline.steps[: len(shared) - shared[::-1].index(True)] if any(shared) else ()


def is_shared(step: Step) -> bool:
    """Return whether what a step finds holds for all channels."""
    return bool(getattr(step.stage, "SHARED", False))


def channels(stack: Stack) -> tuple[ChannelStack, ...]:
    """Return the channels, green first: G1, R, G2 and B of a mosaic, or green, red and blue."""
    if stack.colour is not None:
        found = [
            ChannelStack(name, replace(stack, frames=stack.colour[..., c], colour=None))
            for c, name in enumerate(COLOURS)
        ]
        return tuple(found[c] for c in (1, 0, 2))
    sites, planes = bayer.cfa_sites(stack.sensor.cfa), bayer.split_planes(stack)
    found = [
        ChannelStack(name, plane, ((x - 0.5) / 2, (y - 0.5) / 2))
        for name, plane, (y, x) in zip(bayer.PLANE_NAMES, planes, sites, strict=True)
    ]
    return tuple(found[place] for place in (1, 0, 2, 3))


def follower(channel: ChannelStack, lead: Burst, first: Burst | None) -> Burst:
    """Return the burst of a channel with all that was found on the leading stack; the PSF is that
    of the `first` channel, which is done, and its colours lie where that channel's do."""
    reference = None
    if first is not None and first.merged is not None:
        reference = Reference(first.merged, given(first.channel).place)
    return replace(
        lead,
        stack=channel.stack,
        linear=None,
        noise=None,
        merged=None,
        turbulence=None if first is None else first.turbulence,
        channel=Channel(channel.name, channel.place, reference),
        report=Report(),
    )
